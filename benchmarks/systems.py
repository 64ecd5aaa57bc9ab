"""A training step of the systems of other papers, at their batch of 128: tfcr's kernels for CPUs beside Keras's layers.

    python benchmarks/systems.py
    python benchmarks/systems.py --system ds-lstm --size 32

Either sort of kernels has a process of its own, of which the peak of the memory is measured too. They take turns, and
what counts is the processor's time, so that other work on the machine falls on both alike. `ds-lstm` of Keras's layers
needs some 16 GB.
"""

import sys

import click
import measuring
import numpy as np
from measuring import Row, rows_of
from pytorch_process import AnsweringProcess

SECTION = "Systems of other papers"
GOALS = {"ds-lstm": "≥ 3", "mdre": "≥ 1.5", "mha-1": "≥ 1.5", "mha-2": "≥ 1.5", "mha-3": "≥ 1.5"}
SORTS = {"cpu": "tfcr", "keras": "Keras's layers"}  # TFCR_KERNELS → in the table
THREADS = 2
ROUNDS, QUICK_SIZE = 3, 4


def measure(quick: bool = False, systems: tuple[str, ...] = (), size: int | None = None) -> list[Row]:
    """Processor seconds of a step, and megabytes of the process that makes it.

    Args:
        systems: some of `GOALS`; all by default.
        size: examples of a batch; as many as the paper of a system has by default.
    """
    rows = []
    for system in systems or GOALS:
        rows += measure_system(system, size or (QUICK_SIZE if quick else None), 1 if quick else ROUNDS)
    return rows


def measure_system(system: str, size: int | None, rounds: int) -> list[Row]:
    """The rows of one system.

    Raises:
        ArithmeticError: the losses of the first step differ.
    """
    seconds, losses = {sort: [] for sort in SORTS}, {}
    processes = {sort: AnsweringProcess(sys.executable, "systems_process.py", THREADS) for sort in SORTS}
    try:
        for sort, process in processes.items():
            process.ask(do="prepare", system=system, kernels=sort, size=size)
            losses[sort] = process.ask(do="step", seed=0)["loss"]
        check_losses(system, losses)
        for seed, order in zip(range(1, 1 + rounds), measuring.orders(list(SORTS)), strict=False):
            for sort in order:
                seconds[sort].append(processes[sort].ask(do="step", seed=seed)["seconds"])
        peaks = {sort: process.ask(do="peak")["bytes"] / 1e6 for sort, process in processes.items()}
    finally:
        for process in processes.values():
            process.close()
    return rows(system, {sort: np.array(values) for sort, values in seconds.items()}, peaks)


def check_losses(system: str, losses: dict[str, float]) -> None:
    """Raises `ArithmeticError` where the losses differ; with dropout, which draws anew, by more than half."""
    allowed = 1e-4 if system == "ds-lstm" else 0.5
    if not abs(losses["cpu"] - losses["keras"]) <= allowed * abs(losses["keras"]):  # not a number is wrong, too
        raise ArithmeticError(
            f"{system}: the first step's loss is {losses['cpu']}, of Keras's layers {losses['keras']}"
        )


def rows(system: str, seconds: dict[str, np.ndarray], peaks: dict[str, float]) -> list[Row]:
    """Rows of a system's steps, in processor seconds, and of their memory."""
    ours, theirs = (f"`{system}`, {SORTS[sort]}" for sort in ("cpu", "keras"))
    steps = {ours: seconds["cpu"], theirs: seconds["keras"]}
    memory = [f"{name}: peak memory" for name in (ours, theirs)]
    ratio = peaks["cpu"] / peaks["keras"]
    return [
        *rows_of(SECTION, steps, {ours: (theirs, GOALS[system])}, scale=1, unit="s"),
        Row(SECTION, memory[0], peaks["cpu"], "MB", memory[1], ratio, reads=measuring.MEMORY),
        Row(SECTION, memory[1], peaks["keras"], "MB"),
    ]


command = measuring.command(measure)
command = click.option("--system", "systems", multiple=True, type=click.Choice(list(GOALS)), help="Of this alone.")(
    command
)
command = click.option("--size", type=click.IntRange(2), help="Examples of a batch.  [default: the paper's]")(command)

if __name__ == "__main__":
    command()
