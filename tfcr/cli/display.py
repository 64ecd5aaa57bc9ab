"""Progress: bars with the time left on a terminal, plain lines in a log."""

import pathlib
import sys
import time
from collections.abc import Callable, Mapping, Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

from tfcr.wording import counted, duration, goes_on_elsewhere

_EPOCHS_BETWEEN_SIGNS = 5
_LOG_EVERY = 10.0  # seconds between two lines of a log
_MOST_WAITING = 0.2  # what share of an epoch its steps may wait for data
_LEAST_COST = 60.0  # seconds of a training below which waiting is not worth a word


def console() -> Console:
    """The error stream: results go to standard output, everything else here."""
    return Console(stderr=True, highlight=False, soft_wrap=True, force_terminal=is_terminal(sys.stderr))


def is_terminal(stream) -> bool | None:
    """No for a pipe or a file, even where FORCE_COLOR is set, as in a notebook's cells; else rich finds out."""
    return None if stream is not None and stream.isatty() else False


def say(sentence: str) -> None:
    """A sentence for the user, beside any bar."""
    console().print(sentence, markup=False)


class AudioProgress:
    """How much of a corpus's audio has been prepared, or of something else; `advance` may come from any thread."""

    def __init__(self, verb: str, amount: Callable[[float], str] | None = None, of: str = "of speech"):
        self.verb, self.amount, self.of = verb, amount or _hours, of
        self.total = self.done = 0.0
        self.began = self.printed = time.monotonic()
        self.bar = None

    def start(self, seconds: float) -> None:
        self.total, self.began, self.printed = seconds, time.monotonic(), time.monotonic()
        out = console()
        if out.is_terminal:
            columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:3.0f} %")
            self.bar = Progress(*columns, TimeRemainingColumn(), console=out, transient=True)
            self.task = self.bar.add_task(f"{self.verb} {self.amount(seconds)} {self.of}", total=seconds)
            self.bar.start()

    def advance(self, seconds: float) -> None:
        self.done += seconds
        if self.bar is not None:
            self.bar.advance(self.task, seconds)
        elif time.monotonic() - self.printed > _LOG_EVERY:
            self.printed = time.monotonic()
            left = (self.printed - self.began) * (self.total / self.done - 1)
            amounts = f"{self.amount(self.done)} of {self.amount(self.total)}"
            say(f"{self.verb}: {amounts} {self.of}, {duration(left)} left")

    def stop(self) -> None:
        if self.bar is not None:
            self.bar.stop()


class RecordingsProgress:
    """How many of some recordings have been answered.

    Args:
        to_screen: whether results go to the terminal too, where a bar would run into them.
    """

    def __init__(self, total: int, to_screen: bool = False):
        self.total, self.done = total, 0
        self.printed = time.monotonic()
        self.first: tuple[float, int] | None = None  # when the first were answered, and how many
        self.bar = None
        out = console()
        if out.is_terminal and not to_screen:
            columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
            self.bar = Progress(*columns, TimeRemainingColumn(), console=out, transient=True)
            self.task = self.bar.add_task("recordings", total=total)
            self.bar.start()

    def advance(self, count: int = 1) -> None:
        self.done += count
        now = time.monotonic()
        if self.first is None:
            self.first = now, self.done
        if self.bar is not None:
            self.bar.advance(self.task, count)
        elif now - self.printed > _LOG_EVERY:
            self.printed = now
            say(f"{self.done} of {self.total} recordings{self._left(now)}")

    def _left(self, now: float) -> str:
        """The time left by what followed the first answer, which may have waited for much."""
        began, before = self.first
        if self.done == before:
            return ""
        return f", {duration((now - began) * (self.total - self.done) / (self.done - before))} left"

    def stop(self) -> None:
        if self.bar is not None:
            self.bar.stop()


class TrainingProgress:
    """A training: a bar for the epoch, a line for each epoch, and how long it takes at most."""

    def __init__(self, label: str = ""):
        self.label = f"{label}: " if label else ""
        self.bar = None

    def waiting(self, run):
        say(f"{self.label}waiting for {run}, which another process trains")

    def environment_changed(self, run, changes):
        say(f"{self.label}{goes_on_elsewhere(str(run), changes)}")

    def started(self, run, sizes, steps, epochs, done):
        self.stop()  # of the stage before
        self.steps, self.epochs = steps, epochs
        resumed = f", going on after epoch {done}" if done else ""
        parts = ", ".join(f"{count} {part}" for part, count in sizes.items())
        say(f"{self.label}{run}: {parts} utterances; at most {epochs} epochs of {steps} steps{resumed}")
        out = console()
        if out.is_terminal:
            columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
            self.bar = Progress(*columns, TimeRemainingColumn(), console=out, transient=True)
            self.task = self.bar.add_task("", total=steps)
            self.bar.start()

    def mirrored(self, devices):
        shared = "batches are divided among them" if len(devices) > 1 else "no other is visible, so it is not divided"
        say(f"{self.label}mirrored on {counted(len(devices), 'device')}, {', '.join(devices)}: {shared}")

    def on_gpu(self, run, found):
        say(f"{self.label}{found}")

    def step(self, epoch, step):
        if self.bar is not None:
            self.bar.update(self.task, completed=step + 1, description=f"{self.label}epoch {epoch + 1}/{self.epochs}")

    def epoch(self, row, state):
        pace = sum(past["seconds"] for past in state.history[-5:]) / len(state.history[-5:])
        left = pace * (self.epochs - state.epochs)
        best = state.history[state.best_epoch - 1]
        line = (
            f"{self.label}epoch {state.epochs}/{self.epochs}  loss {row['loss']:.4f}  val loss {row['val_loss']:.4f}  "
            f"val WA {row['val_wa']:.4f}  val UA {row['val_ua']:.4f}  best epoch {state.best_epoch} "
            f"({best['val_ua']:.4f})  at most {duration(left)} left"
        )
        out = self.bar.console if self.bar is not None else console()
        out.print(line, markup=False)
        if held_back := _held_back(state.history):
            out.print(f"{self.label}{held_back}", markup=False)

    def stop(self):
        if self.bar is not None:
            self.bar.stop()


class CellsProgress:
    """Many trainings: a bar on a terminal, with their epochs and the time left; in a log, lines alone.

    Args:
        histories: the `history.csv` of each, whether it is there yet or not.
    """

    def __init__(self, histories: Sequence[pathlib.Path]):
        self.console = console()
        self.bar = None
        if self.console.is_terminal and histories:
            columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Epochs(histories)
            self.bar = Progress(*columns, TextColumn("{task.fields[left]}"), console=self.console, transient=True)
            self.task = self.bar.add_task("trainings", total=len(histories), left="")
            self.bar.start()

    def say(self, sentence: str) -> None:
        self.console.print(sentence, markup=False)

    def ended(self, done: int, left: float) -> None:
        if self.bar is not None:
            self.bar.update(self.task, completed=done, left=f"about {duration(left)} left")

    @property
    def on_epoch(self) -> Callable:
        """What the workers call after an epoch: nothing where their lines would run into the bar."""
        return _nothing if self.console.is_terminal else cell_epoch

    def stop(self) -> None:
        if self.bar is not None:
            self.bar.stop()


class _Epochs(ProgressColumn):
    """How many epochs the trainings have had so far."""

    max_refresh = 2.0  # seconds

    def __init__(self, histories: Sequence[pathlib.Path]):
        self.histories = histories
        super().__init__()

    def render(self, task) -> Text:
        return Text(f"{sum(map(_rows, self.histories))} epochs")


def _rows(table: pathlib.Path) -> int:
    try:
        return len(table.read_text(encoding="utf-8").splitlines()) - 1
    except OSError:
        return 0  # not there yet


def _nothing(*arguments) -> None:
    """Says nothing."""


def cell_epoch(cell, history: Sequence[Mapping[str, float]], best_epoch: int) -> None:
    """A sign of life from one of several trainings: every fifth epoch, and once where input holds it back."""
    row = history[-1]
    if row["epoch"] % _EPOCHS_BETWEEN_SIGNS == 0:
        say(f"{cell.run.name}: epoch {row['epoch']:.0f}, val UA {row['val_ua']:.4f}, best epoch {best_epoch}")
    if held_back := _held_back(history):
        say(f"{cell.run.name}: {held_back}")


def _held_back(history: Sequence[Mapping[str, float]]) -> str:
    """A sentence on input that holds a training back, after the epoch that makes it worth saying; else an empty one.

    Epochs that wait for more than a fifth of their time must have cost more than a minute together. Less than a fifth
    is what the first filling of the shuffle takes anyway, and a minute is less than a faster disk takes to find. A run
    that goes on has the epochs before in its history, so it does not say it again.
    """
    slow = [row for row in history if row.get("seconds_waiting", 0.0) > _MOST_WAITING * row["seconds"]]
    waited = [row["seconds_waiting"] for row in slow]
    if history[-1] not in slow or not sum(waited[:-1]) <= _LEAST_COST < sum(waited):
        return ""
    return (
        f"input holds this training back: {counted(len(slow), 'epoch')} waited {sum(waited):.0f} of their "
        f"{sum(row['seconds'] for row in slow):.0f} s for data; a faster disk helps, or more --threads"
    )


def _hours(seconds: float) -> str:
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:.2f} h"
