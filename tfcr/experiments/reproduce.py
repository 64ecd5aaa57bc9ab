"""The main job in one call: train each modality alone, baseline and proposed on the same folds, report, export."""

import contextlib
import pathlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from tfcr import files, runs
from tfcr.config import Config
from tfcr.dataset_info import Dataset
from tfcr.errors import TfcrError
from tfcr.experiments.backends.backend import LOCAL, Backend
from tfcr.experiments.cells import Cell, Ended, OnEpoch, nothing
from tfcr.experiments.progress import train_and_tell
from tfcr.experiments.sweep import Sweep, alone
from tfcr.exports import MANIFEST, read_manifest
from tfcr.report import Report, write_report

SYSTEMS = ("audio", "text", "fusion")  # each modality alone too: what the fusion adds is the difference
BASELINE, PROPOSED = 0.0, 0.1  # alpha; "selected as 0.1" (Sec. 4.3)
FOLDS = {
    # What is trained: corpus → preset → protocol → folds. On IEMOCAP the text's ten folds, and with the preset
    # `authors` the split of the printed figures.
    "iemocap": {"paper": {"random": range(10)}, "authors": {"authors": range(1)}},
    None: {"paper": {"random": range(3)}, "authors": {"authors": range(1)}},
}
_THREADS = 1  # two processes of one thread finish sooner than one of two


@dataclass(frozen=True)
class Reproduction:
    """What came of it."""

    report: Report
    export: pathlib.Path


def cells_of(dataset: Dataset, config: Config, out: pathlib.Path) -> list[Cell]:
    """Baseline, proposed method and each modality alone on the same folds."""
    presets = FOLDS.get(dataset.info["corpus"], FOLDS[None])
    cells = []
    for protocol, folds in presets[dataset.info["preset"]].items():
        shared = replace(config, protocol=protocol, threads=_THREADS)
        runs_of = out / "runs" / dataset.name
        axes = {"systems": SYSTEMS, "alphas": (BASELINE, PROPOSED), "folds": folds, "seeds": [config.seed]}
        cells += Sweep(dataset, shared.to_dict(), runs_of, **axes).cells()
    return cells


def reproduce(
    experiments: Sequence[tuple[Dataset, Config]],
    out: pathlib.Path,
    workers: int | None = None,
    say: Callable[[str], None] = nothing,
    prepare_process: Callable[[], None] = nothing,
    on_epoch: OnEpoch = nothing,
    backend: Backend = LOCAL,
) -> Reproduction:
    """Trains, reports and exports; what an earlier call finished is kept.

    Args:
        experiments: datasets with their configurations; the first one names the report, and its model is exported.
        out: the folder that `runs`, `report` and `serving` go to.
        workers: trainings at a time; by default as many as there are cores, at most four for each GPU.
        say: takes a sentence for the user.
        prepare_process, on_epoch: see `train_cells`.

    Raises:
        TfcrError: a training failed; the others are kept.
    """
    from tfcr.serving.export.saved_model import export_run

    cells = [cell for dataset, config in experiments for cell in cells_of(dataset, config, out)]
    if any(config.distribution == "mirrored" for _, config in experiments):
        workers = alone(workers, backend)
    ended = train_and_tell(cells, workers, say, prepare_process=prepare_process, on_epoch=on_epoch, backend=backend)
    _refuse_failures(ended)
    finished = [runs.open_run(cell.run) for cell in cells]
    report = write_report(finished, out / "report" / experiments[0][0].name)
    proposed = next(run for run in finished if run.metrics["alpha"] == PROPOSED)
    serving = out / "serving" / "tfcr"
    return Reproduction(report, exported(proposed, serving) or export_run(proposed, serving))


def exported(run: runs.Run, serving: pathlib.Path) -> pathlib.Path | None:
    """The newest version that was exported from this very run, or None."""
    digest = files.sha256_of_file(run.folder / runs.METRICS)
    for manifest in sorted(serving.glob(f"[0-9]*/{MANIFEST}"), key=lambda path: path.stat().st_mtime_ns, reverse=True):
        version = manifest.parents[1]
        with contextlib.suppress(TfcrError):
            if read_manifest(version)["run_sha256"] == digest:
                return version
    return None


def _refuse_failures(ended: Sequence[Ended]) -> None:
    failures = [f"{each.cell.run}: {each.failure}" for each in ended if each.failure]
    if failures:
        raise TfcrError(f"{len(failures)} of {len(ended)} trainings failed; the first: {failures[0]}")
    busy = [str(each.cell.run) for each in ended if each.elsewhere]
    if busy:
        raise TfcrError(f"another process is training {', '.join(busy)}; wait for it, and the same command goes on")
