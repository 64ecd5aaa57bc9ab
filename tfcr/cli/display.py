"""Progress and tables: bars with the time left on a terminal, plain lines in a log."""

import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from tfcr.durations import duration

_EPOCHS_BETWEEN_SIGNS = 5
_LOG_EVERY = 10.0  # seconds between two lines of a log


def console() -> Console:
    """The error stream: results go to standard output, everything else here."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def say(sentence: str) -> None:
    """A sentence for the user, beside any bar."""
    console().print(sentence, markup=False)


class AudioProgress:
    """How much of a corpus's audio has been prepared; `advance` may come from any thread."""

    def __init__(self, verb: str):
        self.verb = verb
        self.total = self.done = 0.0
        self.began = self.printed = time.monotonic()
        self.bar = None

    def start(self, seconds: float) -> None:
        self.total, self.began, self.printed = seconds, time.monotonic(), time.monotonic()
        out = console()
        if out.is_terminal:
            columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:3.0f} %")
            self.bar = Progress(*columns, TimeRemainingColumn(), console=out, transient=True)
            self.task = self.bar.add_task(f"{self.verb} {_hours(seconds)} of speech", total=seconds)
            self.bar.start()

    def advance(self, seconds: float) -> None:
        self.done += seconds
        if self.bar is not None:
            self.bar.advance(self.task, seconds)
        elif time.monotonic() - self.printed > _LOG_EVERY:
            self.printed = time.monotonic()
            left = (self.printed - self.began) * (self.total / self.done - 1)
            say(f"{self.verb}: {_hours(self.done)} of {_hours(self.total)} of speech, {duration(left)} left")

    def stop(self) -> None:
        if self.bar is not None:
            self.bar.stop()


class TrainingProgress:
    """A training: a bar for the epoch, a line for each epoch, and how long it takes at most."""

    def __init__(self, label: str = ""):
        self.label = f"{label}: " if label else ""
        self.bar = None

    def started(self, run, sizes, steps, epochs, done):
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
        (self.bar.console if self.bar is not None else console()).print(line, markup=False)

    def stop(self):
        if self.bar is not None:
            self.bar.stop()


def cell_epoch(cell, row, best_epoch: int) -> None:
    """A sign of life from one of several trainings: every fifth epoch."""
    if row["epoch"] % _EPOCHS_BETWEEN_SIGNS == 0:
        say(f"{cell.run.name}: epoch {row['epoch']:.0f}, val UA {row['val_ua']:.4f}, best epoch {best_epoch}")


def metrics_table(parts: dict[str, dict]) -> Table:
    """WA, UA, the modalities alone and the conflict rates of some parts, in per cent."""
    names = {
        "wa": "WA", "ua": "UA", "wa_audio": "WA of s_a", "wa_text": "WA of s_t",
        "conflict_rate": "conflicts", "conflict_rate_centred": "conflicts, centred",
    }  # fmt: skip
    table = Table("in %", *names.values())
    for part, figures in parts.items():
        cells = (figures[name] for name in names)
        table.add_row(part, *("–" if value is None else f"{100 * value:.2f}" for value in cells))
    return table


def _hours(seconds: float) -> str:
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:.2f} h"
