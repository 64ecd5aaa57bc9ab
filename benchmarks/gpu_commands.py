"""Lines of `benchmarks/gpu` that are commands as a user types them, on a small synthetic dataset."""

import contextlib
import csv
import fcntl
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import gpu_line
import numpy as np
from gpu_line import ON_CPU, judged

UTTERANCES, EPOCHS = 120, 3
SMALL = {"conv_filters": 2, "lstm_units": 8, "lstm_layers": 1, "batch_size": 32, "shuffle_buffer": 64}


def twice(folder: pathlib.Path, tiny: bool) -> tuple[str, str]:
    """The same training twice, at the same time, has the same weights to the bit."""
    commands = [_training(folder, f"twice-{number}", tiny) for number in (1, 2)]
    processes = [_start(command) for command in commands]
    for process in processes:
        _end(process)
    return _same_weights(folder / "twice-1", folder / "twice-2")


def killed(folder: pathlib.Path, tiny: bool) -> tuple[str, str]:
    """A training that is killed after an epoch and goes on has the weights of an undisturbed one."""
    whole = _start(_training(folder, "whole", tiny))
    _kill_after_an_epoch(_training(folder, "killed", tiny), folder / "killed")
    _end(_start(_training(folder, "killed", tiny)))
    _end(whole)
    return _same_weights(folder / "whole", folder / "killed")


def moved(folder: pathlib.Path, tiny: bool) -> tuple[str, str]:
    """A training begun on a CPU goes on on the GPU, and the reverse, and says so."""
    said = {}
    for name, first, then in (("to the GPU", ON_CPU, {}), ("to a CPU", {}, ON_CPU)):
        command = _training(folder, f"moved {name}", tiny)
        _kill_after_an_epoch(command, folder / f"moved {name}", first)
        said[name] = "the GPU was" in _end(_start(command, then))
    return judged(
        all(said.values()), ", ".join(f"{name}: {'told' if told else 'silent'}" for name, told in said.items())
    )


def mirrored(folder: pathlib.Path, tiny: bool) -> tuple[str, str]:
    """A training on every GPU there is."""
    said = _end(_start([*_training(folder, "mirrored", tiny), "--distribution", "mirrored"]))
    lines = [line for line in said.splitlines() if line.startswith("mirrored on")]
    return judged(bool(lines), (lines or ["no line says on how many"])[0])


def export(folder: pathlib.Path, tiny: bool) -> tuple[str, str]:
    """A run exported here answers on a CPU as it does here."""
    _end(_start(_training(folder, "exported", tiny)))
    _end(_start(["export", folder / "exported", "--out", folder / "served"]))
    recordings = sorted((_dataset(folder) / "corpus").rglob("*.wav"))[:4]
    exact = {"NVIDIA_TF32_OVERRIDE": "0"}
    here, on_cpu = (_answers(folder, recordings, environment) for environment in (exact, ON_CPU))
    error = max(abs(one - other) for one, other in zip(here, on_cpu, strict=True))
    return judged(error <= 1e-3, f"{len(recordings)} recordings, probabilities within {error:.1e}")


def two_workers(folder: pathlib.Path, tiny: bool) -> tuple[str, str]:
    """A sweep with two trainings at a time, and beside them an export and its answers."""
    _end(_start(_training(folder, "finished", tiny)))
    config = folder / "sweep.json"
    config.write_text(json.dumps({**(SMALL if tiny else {}), "epochs": 1 if tiny else 2}))
    sweep = ["sweep", "--data", _dataset(folder), "--folds", "0,1", "--alphas", "0.1", "--workers", "2", "--no-report"]
    recordings, answers = sorted((_dataset(folder) / "corpus").rglob("*.wav"))[:4], 0
    process = _start([*sweep, "--out", folder / "sweep", "--config", config])
    try:
        _end(_start(["export", folder / "finished", "--out", folder / "beside"]))
        while process.poll() is None or not answers:
            _end(_start(["predict", folder / "beside", *recordings, "--format", "jsonl"]))
            answers += 1
        _end(process)
    finally:
        process.kill()
    done = list((folder / "sweep").rglob("metrics.json"))
    beside = f"an export beside them, and {answers} times its answers"
    return judged(len(done) == 2, f"{len(done)} of 2 trainings done, {beside}")


def _answers(folder, recordings, environment):
    """Every probability of an export's answers."""
    printed = _end(_start(["predict", folder / "served", *recordings, "--format", "jsonl"], environment), "stdout")
    return [value for line in printed.splitlines() for value in json.loads(line)["probabilities"].values()]


def _same_weights(one, other):
    found = [json.loads((run / "metrics.json").read_text()) for run in (one, other)]
    digests = [metrics["weights_sha256"] for metrics in found]
    precision = found[0]["precision"]
    same = digests[0] == digests[1]
    return judged(same, f"{precision}: {digests[0][:12]} {'both times' if same else f'and {digests[1][:12]}'}")


def _training(folder, name, tiny):
    """The command of a training in half precision where there is a GPU; in float32 on a CPU."""
    config = folder / ("tiny.json" if tiny else "training.json")
    if not config.exists():
        temporary = config.with_suffix(f".{os.getpid()}")
        temporary.write_text(json.dumps({**(SMALL if tiny else {}), "epochs": EPOCHS, "patience": EPOCHS}))
        temporary.replace(config)
    options = ["--data", _dataset(folder), "--fold", "0", "--run", folder / name, "--config", config]
    return ["train", *options, "--precision", "mixed_float16" if _has_gpu(folder) else "float32"]


def _has_gpu(folder):
    return (folder / "gpu").exists()


def _dataset(folder):
    """The dataset, which the first line that asks for it prepares; the others wait."""
    data = folder / "data"
    with open(folder / "preparing", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (data / "dataset_info.json").is_file():
            options = ["--utterances", str(UTTERANCES), "--features", "spectrogram", "--embeddings", _vectors(folder)]
            _end(_start(["prepare-tfrecords", "--corpus", "synthetic", *options, "--out", data], ON_CPU))
            gpu_line.tensorflow()
            if gpu_line.on_gpu():
                (folder / "gpu").touch()
    return data


def _vectors(folder):
    """Vectors of noise for the words of the corpus, as a text file: gensim need not be there to train them."""
    from tfcr.corpora.synthetic.plans import planned
    from tfcr.corpora.synthetic.sentences import transcript

    random, file = np.random.default_rng(0), folder / "vectors.txt"
    said = " ".join(transcript(plan, 0) for plan in planned(0, 0.2, UTTERANCES))
    words = sorted(set(re.findall(r"[a-z']+", said.lower())))
    file.write_text("".join(f"{word} {' '.join(f'{x:.3f}' for x in random.normal(0, 0.3, 300))}\n" for word in words))
    return file


def _start(arguments, environment=()):
    script = "from tfcr.cli import main; main()"
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        env={**os.environ, **dict(environment)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _end(process, stream="stderr"):
    """What a command said.

    Raises:
        RuntimeError: it failed.
    """
    out, errors = process.communicate()
    if process.returncode:
        raise RuntimeError(f"{process.args[3]} ended with {process.returncode}: {errors.strip()[-300:]}")
    return out if stream == "stdout" else f"{errors}{out}"


def _kill_after_an_epoch(command, run, environment=()):
    process = _start(command, environment)
    while process.poll() is None and not _epochs(run):
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()


def _epochs(run):
    """How many lines `history.csv` has."""
    with contextlib.suppress(OSError), open(run / "history.csv", newline="") as file:
        return len(list(csv.DictReader(file)))
    return 0


if __name__ == "__main__":
    gpu_line.main(globals())
