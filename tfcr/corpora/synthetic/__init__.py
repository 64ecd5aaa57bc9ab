"""A corpus made up from a seed, to try the package on: it can be had anywhere, and the truth about it is known.

Its emotions show in voice and words, neither of which suffices; in a share of the utterances, the conflicts, one of the
two shows another emotion than the label. It lies on disk as IEMOCAP does, quirks included, and is read by the same
reader. `synthetic.csv` beside it says what each utterance's voice and words really show.
"""

import csv
import io
import pathlib
import re
import shutil

from tfcr import files
from tfcr.corpora import Corpus, iemocap
from tfcr.corpora.synthetic import voices
from tfcr.corpora.synthetic.dialogs import Turn, write_dialog
from tfcr.corpora.synthetic.plans import MIN_UTTERANCES, SPEAKERS, Plan, generator, planned
from tfcr.corpora.synthetic.sentences import transcript
from tfcr.errors import TfcrError, UsageError

LICENCE = "none: this package makes it, and it may be used for anything"

MARKER = "synthetic.json"  # written last: the corpus is complete
PARTIAL = "synthetic.partial"  # written first: the folder is ours, the corpus incomplete
TRUTH = "synthetic.csv"
REVISION = 1  # raise it whenever a seed gives another corpus than before: older ones are then written anew
SECONDS_PER_UTTERANCE = 0.015  # that writing takes on a laptop


def read(root: str | pathlib.Path, seed: int = 0, conflict_rate: float = 0.2, utterances: int = 1200) -> Corpus:
    """Writes the corpus to `root`, unless it is there, and reads it.

    Args:
        root: a folder that is empty, does not exist or holds a synthetic corpus; one of other parameters is replaced.
        seed: of every draw. An utterance's words and voice depend on the seed and its number alone.
        conflict_rate: probability, from 0 to 1, that voice or words show another emotion than the label.
        utterances: of the four default emotions; about 3 % of others come on top.

    Raises:
        UsageError: a parameter outside its range.
        TfcrError: `root` holds something else.
    """
    root = pathlib.Path(root)
    parameters = _checked(seed, conflict_rate, utterances)
    try:
        _refuse_foreign(root)
        corpus = _complete(root, parameters)  # asked before the folder is held: it may be read-only
        if corpus is None:
            with files.locked(root, "writing the synthetic corpus in"):
                corpus = _complete(root, parameters)  # by another process, meanwhile
                if corpus is None:
                    with files.full_disk_named(root):
                        _write(root, parameters)
                    corpus = iemocap.read_layout(root)
        return corpus
    except files.NoRoomError:
        raise
    except OSError as error:
        raise TfcrError(f"the synthetic corpus cannot be written to {root} ({error.strerror or error})") from error


def is_written(root: str | pathlib.Path, seed: int = 0, conflict_rate: float = 0.2, utterances: int = 1200) -> bool:
    """Whether `read` finds the corpus in `root`; else it writes it, which takes `SECONDS_PER_UTTERANCE`."""
    try:
        return _complete(pathlib.Path(root), _checked(seed, conflict_rate, utterances)) is not None
    except OSError:
        return False


def _checked(seed: int, conflict_rate: float, utterances: int) -> dict:
    if not isinstance(seed, int) or seed < 0:
        raise UsageError(f"seed is {seed!r}; expected an integer from 0")
    if not isinstance(conflict_rate, (int, float)) or not 0.0 <= conflict_rate <= 1.0:
        raise UsageError(f"conflict_rate is {conflict_rate!r}; expected a number from 0 to 1")
    if not isinstance(utterances, int) or utterances < MIN_UTTERANCES:
        raise UsageError(f"utterances is {utterances!r}; expected an integer from {MIN_UTTERANCES}")
    return {
        "revision": REVISION,
        "seed": seed,
        "conflict_rate": float(conflict_rate),
        "utterances": utterances,
    }


def _refuse_foreign(root: pathlib.Path) -> None:
    if root.exists() and not root.is_dir():
        raise TfcrError(f"{root} is a file; expected a folder to write the synthetic corpus in")
    if not root.exists() or (root / MARKER).exists() or (root / PARTIAL).exists():
        return
    ours = re.compile(r"\.lock|\.synthetic\..*\.tmp")  # all that a first write may leave that is killed at once
    foreign = [path.name for path in root.iterdir() if not ours.fullmatch(path.name)]
    if foreign:
        raise TfcrError(
            f"{root} holds {min(foreign)!r} and no synthetic corpus; expected an empty folder: nothing was written"
        )


def _complete(root: pathlib.Path, parameters: dict) -> Corpus | None:
    """The corpus that lies in `root`, unless it is incomplete, has other parameters or has lost a file since."""
    if (root / PARTIAL).exists() or not (root / MARKER).exists():
        return None
    try:
        return iemocap.read_layout(root) if files.read_json(root / MARKER) == parameters else None
    except TfcrError:
        return None


def _write(root: pathlib.Path, parameters: dict) -> None:
    """Whatever moment this is killed at, the folder says that it is ours and not complete."""
    files.write_text(root / PARTIAL, "The synthetic corpus in this folder is incomplete; it will be written anew.\n")
    files.remove_temporaries(root)
    (root / MARKER).unlink(missing_ok=True)
    (root / TRUTH).unlink(missing_ok=True)
    for session in range(1, 6):
        if (root / f"Session{session}").exists():
            shutil.rmtree(root / f"Session{session}")
    seed = parameters["seed"]
    plans = list(planned(seed, parameters["conflict_rate"], parameters["utterances"]))
    by_dialog: dict[str, list[Plan]] = {}
    for plan in plans:
        by_dialog.setdefault(plan.dialog, []).append(plan)
    speakers = {
        (session, gender): voices.Speaker.drawn(gender, generator(seed, "speaker", index))
        for index, (session, gender) in enumerate(SPEAKERS)
    }
    for dialog, in_dialog in by_dialog.items():
        turns = [_performed(plan, speakers[plan.session, plan.gender], seed) for plan in in_dialog]
        write_dialog(
            root / f"Session{in_dialog[0].session}", dialog, turns, generator(seed, "layout", *dialog.encode())
        )
    files.write_text(root / TRUTH, _truth(plans))
    files.write_json(root / MARKER, parameters)
    (root / PARTIAL).unlink()


def _truth(plans: list[Plan]) -> str:
    table = io.StringIO()
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow(["id", "emotion", "audio_emotion", "text_emotion"])
    rows.writerows(sorted((plan.id, plan.emotion, plan.audio_emotion, plan.text_emotion) for plan in plans))
    return table.getvalue()


def _performed(plan: Plan, speaker: voices.Speaker, seed: int) -> Turn:
    text = transcript(plan, seed)
    random = generator(seed, "voice", plan.number)
    manner = voices.drawn_manner(plan.audio_emotion, random)
    samples = voices.spoken(text.split(), speaker, manner, random)
    return Turn(plan.id, plan.emotion, text, samples)
