"""What manifests call emotions, in this package's words; docs/corpora.md lists the same."""

import pathlib
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping

import yaml

from tfcr.errors import UsageError

USUAL = {
    "neutral": ("neu", "neutrality"),
    "happiness": ("hap", "happy", "joy", "joyful"),
    "sadness": ("sad",),
    "anger": ("ang", "angry"),
    "excitement": ("exc", "excited"),
    "frustration": ("fru", "frustrated"),
    "fear": ("fea", "fearful", "afraid"),
    "surprise": ("sur", "surprised"),
    "disgust": ("dis", "disgusted"),
    "calm": ("cal", "calmness"),
    "boredom": ("bor", "bored"),
    "contempt": ("contemptuous",),
    "other": ("oth",),
    "undecided": ("xxx",),
}
_NAME_OF = {each: name for name, others in USUAL.items() for each in (name, *others)}


class EmotionNames:
    """Translates a manifest's labels.

    Args:
        own: label → name; they go before the usual ones, in any case too.
    """

    def __init__(self, own: Mapping[str, str] | None = None):
        self._own = {_folded(label): name for label, name in (own or {}).items()}
        self._translated: dict[str, set[str]] = defaultdict(set)

    def name(self, label: str) -> str:
        """The label in this package's words; one that is not known stays as it is."""
        folded = _folded(label)
        name = self._own.get(folded) or _NAME_OF.get(folded, label)
        if name != label:
            self._translated[name].add(label)
        return name

    def note(self, source: str | pathlib.Path) -> list[str]:
        """One sentence on all labels that have become other names, or none."""
        if not self._translated:
            return []
        listed = "; ".join(f"{', '.join(sorted(labels))} as {name}" for name, labels in self._translated.items())
        return [f"{source}: labels are read as emotions of other names: {listed}. (--emotion-names gives one's own)"]


def is_usual(label: str) -> bool:
    """Whether a label is an emotion's name, or a usual word or code for one."""
    return _folded(label) in _NAME_OF


def kept(chosen: Iterable[str]) -> dict[str, str]:
    """Own names that keep the chosen labels as they are, where they would get a usual name."""
    return {label: label for label in chosen if _NAME_OF.get(_folded(label), label) != label}


def read_names(path: pathlib.Path) -> dict[str, str]:
    """Reads one's own names: a YAML file of `label: name` lines.

    Raises:
        UsageError: no such file, or one that holds something else.
    """
    option = f"--emotion-names {path}"
    try:
        node = yaml.compose(path.read_text(encoding="utf-8-sig"), Loader=yaml.BaseLoader)
    except FileNotFoundError:
        raise UsageError(f"{option} does not exist; expected a YAML file of `label: name` lines") from None
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise UsageError(f"{option} is not readable YAML ({' '.join(str(error).split())})") from None
    if not isinstance(node, yaml.MappingNode) or not node.value:
        raise UsageError(f"{option} holds no `label: name` lines, such as `wut: anger`")
    names: dict[str, str] = {}
    for pair in node.value:
        if not all(isinstance(each, yaml.ScalarNode) and each.value.strip() for each in pair):
            line = pair[0].start_mark.line + 1
            raise UsageError(f"{option}, line {line}: no `label: name`; expected lines such as `wut: anger`")
        label, name = (each.value.strip() for each in pair)  # the text as written: 01 and no are labels too
        if names.setdefault(_folded(label), name) != name:
            raise UsageError(f"{option}: the label {label!r} has two names")
    return names


def _folded(label: str) -> str:
    return unicodedata.normalize("NFC", label).strip().casefold()
