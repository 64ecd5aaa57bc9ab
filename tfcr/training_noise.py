"""What a training adds to its examples, as frozen data that is checked once. No TensorFlow."""

from dataclasses import dataclass

from tfcr.errors import UsageError

NOISES = ("white", "pink")  # that a training can add
SNR_LIMITS = (-30, 60)  # dB: beyond them speech, or the noise, is hardly there


@dataclass(frozen=True)
class TrainingNoise:
    """What a training adds to its examples, drawn anew in every epoch; validation and test stay as they are.

    Attributes:
        share: of the utterances of an epoch that are degraded; drawn for speech and for words apart.
        kinds: of noise, one of which is drawn for an utterance: `white`, `pink`; in this order.
        snr: the range in dB that its signal to noise ratio is drawn from, evenly; within `SNR_LIMITS`.
        words: the probability that a word of a degraded utterance is not heard.

    Equal trainings have equal values, whether a file says `1` or `1.0`, or the kinds in another order.

    Raises:
        UsageError: a value outside its range, or of another type.
    """

    share: float = 0.5
    kinds: tuple[str, ...] = NOISES
    snr: tuple[float, float] = (0.0, 20.0)
    words: float = 0.2

    def __post_init__(self) -> None:
        for name in ("share", "words"):
            value = getattr(self, name)
            if type(value) not in (int, float) or not 0 <= value <= 1:
                raise UsageError(f"noise: {name} must be from 0 to 1; received {value!r}")
            object.__setattr__(self, name, _plain(value))
        kinds = self.kinds if isinstance(self.kinds, list | tuple) else ()
        ordered = tuple(kind for kind in NOISES if kind in kinds)
        if not ordered or len(ordered) != len(kinds):
            raise UsageError(f"noise: kinds must be some of {', '.join(NOISES)}, each once; received {self.kinds!r}")
        least, most = SNR_LIMITS
        ends = self.snr if isinstance(self.snr, list | tuple) and len(self.snr) == 2 else ()
        numbers = [end for end in ends if type(end) in (int, float) and least <= end <= most]
        if len(numbers) != 2 or numbers[0] > numbers[1]:
            raise UsageError(
                f"noise: snr must be two numbers from {least} to {most} dB, the lower first; received {self.snr!r}"
            )
        object.__setattr__(self, "kinds", ordered)
        object.__setattr__(self, "snr", tuple(map(_plain, numbers)))

    @property
    def heard(self) -> tuple[str, ...]:
        """The kinds of degradation that such a training hears, by their names in `tfcr.noise.grades`."""
        if not self.share:
            return ()
        return (*self.kinds, *(["deleted"] if self.words else []))

    @property
    def otherwise(self) -> str:
        """What differs from the values that nothing says, in words; empty where nothing does."""
        words = {
            "share": f"share {self.share:g}",
            "kinds": " and ".join(self.kinds),
            "snr": f"{self.snr[0]:g} to {self.snr[1]:g} dB",
            "words": f"words {self.words:g}",
        }
        standard = TrainingNoise()
        return "; ".join(said for name, said in words.items() if getattr(self, name) != getattr(standard, name))


def _plain(number: float) -> float:
    """A float, which is written in one way alone: -0.0 is 0.0."""
    return number + 0.0
