"""Protocols: which utterances train, validate and test. Drawn over utterances sorted by id, by the fold seed alone."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tfcr.errors import TfcrError, UsageError

NAMES = ("random", "authors", "speaker", "session", "script")
RANDOM_FOLDS = 10  # "10-fold cross validation" (Sec. 4.3)
SCRIPT_FOLDS = 5
AUTHORS_TEST_EVERY = 5  # the authors' code: every 5th utterance tests,
AUTHORS_VALIDATE_EVERY = 10  # and of the others every 10th validates


@dataclass(frozen=True)
class Split:
    """One fold: sorted positions (int64) in the list of utterances sorted by id, disjoint, together all of them."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


@dataclass(frozen=True)
class Labelled:
    """What a protocol sees of a corpus: per utterance, sorted by id, its label and the groups it belongs to.

    `emotions` are the names of the labels, for messages.
    """

    ids: Sequence[str]
    labels: Sequence[int]
    speakers: Sequence[str]
    sessions: Sequence[str]
    scripts: Sequence[str]
    emotions: Sequence[str] = ()


def num_folds(protocol: str, utterances: Labelled) -> int:
    """How many folds the protocol has on this corpus.

    Raises:
        TfcrError: too few groups or utterances for it.
    """
    if protocol == "random":
        label, least = min(Counter(utterances.labels).items(), key=lambda counted: counted[1])
        if least < RANDOM_FOLDS:
            rarest = repr(utterances.emotions[label]) if utterances.emotions else "one"
            raise TfcrError(f"protocol 'random' needs {RANDOM_FOLDS} utterances of every emotion; {rarest} has {least}")
        return RANDOM_FOLDS
    if protocol == "authors":
        return AUTHORS_TEST_EVERY
    if protocol == "speaker":
        return _count(utterances.speakers, "speaker", 3)
    if protocol == "session":
        return _count(utterances.sessions, "session", 3)
    if protocol == "script":
        _count(utterances.scripts, "script", SCRIPT_FOLDS)
        return SCRIPT_FOLDS
    raise UsageError(f"there is no protocol {protocol!r}; expected {', '.join(NAMES[:-1])} or {NAMES[-1]}")


def folds_of_all(utterances: Labelled) -> dict[str, int | str]:
    """Every protocol with its number of folds on this corpus, or with the reason why it has none."""
    found: dict[str, int | str] = {}
    for protocol in NAMES:
        try:
            found[protocol] = num_folds(protocol, utterances)
        except TfcrError as error:
            found[protocol] = str(error)
    return found


def split(protocol: str, fold: int, utterances: Labelled, fold_seed: int = 0) -> Split:
    """The parts of one fold.

    Raises:
        UsageError: no such protocol or fold.
        TfcrError: too few groups or utterances for the protocol.
    """
    folds = num_folds(protocol, utterances)
    if not 0 <= fold < folds:
        raise UsageError(f"fold must be from 0 to {folds - 1} for protocol {protocol!r}; received {fold}")
    if protocol == "authors":
        test, validation = _authors(fold, len(utterances.ids))
    elif protocol == "speaker":
        test, validation = _leave_one_speaker_out(fold, utterances)
    elif protocol == "session":
        test, validation = _leave_one_out(fold, np.asarray(utterances.sessions))
    else:
        parts = _random(utterances, fold_seed) if protocol == "random" else _by_script(utterances, fold_seed)
        test, validation = parts == fold, parts == (fold + 1) % folds
    result = Split(*(np.flatnonzero(part) for part in (~test & ~validation, validation, test)))
    for name, part in (("training", result.train), ("validation", result.validation), ("test", result.test)):
        if not len(part):
            raise TfcrError(f"fold {fold} of protocol {protocol!r} has no {name} utterances; the corpus is too small")
    return result


def _count(groups: Sequence[str], name: str, least: int) -> int:
    named = set(groups)
    if "" in named:
        raise TfcrError(f"protocol {name!r} needs a {name} for every utterance, and this corpus lacks them")
    if len(named) < least:
        raise TfcrError(f"protocol {name!r} needs at least {least} {name}s; this corpus has {len(named)}")
    return len(named)


def _random(utterances: Labelled, fold_seed: int) -> np.ndarray:
    """The part of every utterance: stratified by emotion."""
    from sklearn.model_selection import StratifiedKFold

    labels = np.asarray(utterances.labels)
    folds = StratifiedKFold(RANDOM_FOLDS, shuffle=True, random_state=fold_seed)
    return _parts(folds.split(np.zeros(len(labels)), labels), len(labels))


def _by_script(utterances: Labelled, fold_seed: int) -> np.ndarray:
    """The part of every utterance: no script in two parts, emotions as even as the scripts allow."""
    from sklearn.model_selection import StratifiedGroupKFold

    labels = np.asarray(utterances.labels)
    folds = StratifiedGroupKFold(SCRIPT_FOLDS, shuffle=True, random_state=fold_seed)
    try:
        return _parts(folds.split(np.zeros(len(labels)), labels, np.asarray(utterances.scripts)), len(labels))
    except ValueError as error:
        raise TfcrError(f"protocol 'script' cannot divide this corpus: {error}") from None


def _parts(folds, count: int) -> np.ndarray:
    parts = np.empty(count, np.int64)
    for part, (_, held_out) in enumerate(folds):
        parts[held_out] = part
    return parts


def _authors(fold: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The published skip split; fold 0 is Table 1's test set, the others shift it."""
    test = np.arange(count) % AUTHORS_TEST_EVERY == fold
    validation = np.zeros(count, bool)
    validation[np.flatnonzero(~test)[::AUTHORS_VALIDATE_EVERY]] = True
    return test, validation


def _leave_one_out(fold: int, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One group tests, the next one validates."""
    names = np.unique(groups)
    return groups == names[fold], groups == names[(fold + 1) % len(names)]


def _leave_one_speaker_out(fold: int, utterances: Labelled) -> tuple[np.ndarray, np.ndarray]:
    """One speaker tests; the partner of the same session validates, or the next speaker where there are no sessions."""
    speakers, sessions = np.asarray(utterances.speakers), np.asarray(utterances.sessions)
    test, following = _leave_one_out(fold, speakers)
    partners = np.unique(speakers[np.isin(sessions, sessions[test]) & ~test])
    if "" in sessions[test] or not len(partners):
        return test, following
    return test, speakers == partners[0]
