"""The table of `benchmarks/gpu`: what a line may do to the others, which is nothing. One test runs all of it."""

import os
import pathlib
import subprocess
import sys
import time

import gpu_kernels
import gpu_table
import pytest
from gpu_table import FAILED, LINES, RIGHT, SKIPPED, WRONG, Line

_SCRIPT = """
import json, os, subprocess, sys, time
name = sys.argv[1]
if name == "breaks":
    raise ValueError("no such card")
if name == "aborts":
    os.abort()
if name == "hangs":
    subprocess.run([sys.executable, "-c", f"import time; open({sys.argv[2]!r} + '/began', 'w'); time.sleep(60)"])
print("a remark")
if name == "says_nothing":
    sys.exit()
print(json.dumps({"verdict": "right" if name == "is_right" else "**wrong**", "said": f"{name} | said"}), flush=True)
print("{a library's remark}", flush=True)
if name == "is_not_done":
    time.sleep(60)
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs lines of a script that does as their names say; the outcomes, and what was told on the way."""
    script = tmp_path / "script.py"
    script.write_text(_SCRIPT)

    def run(*names, gpu=False, seconds=60.0, needs_gpu=False, own=20):
        lines = [Line(name, str(script), own, needs_gpu) for name in names]
        told = []
        settings = gpu_table.Settings(tmp_path, gpu, tiny=False, end=time.monotonic() + seconds)
        found = gpu_table.run_all(lines, settings, told.append)
        assert sorted(told, key=str) == sorted(found, key=str)
        return found

    return run


def test_lines_that_fail_cost_themselves_alone(run):
    found = run("breaks", "is right", "aborts", "is wrong")
    assert [outcome.verdict for outcome in found] == [FAILED, RIGHT, FAILED, WRONG]
    assert found[0].said == "code 1: ValueError: no such card"
    assert found[2].said.startswith("code -6")
    assert gpu_table.row(found[1]).startswith("| is right | right | is_right / said | ")
    assert gpu_table.table(found).count("\n|") == 6


def test_a_line_without_end_is_ended_with_what_it_started(run, tmp_path):
    began = time.monotonic()
    [outcome] = run("hangs", own=6)
    assert time.monotonic() - began < 20
    assert outcome.verdict == FAILED
    assert outcome.said.startswith("not done after 6")
    assert (tmp_path / "began").exists()
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout
    assert f"{tmp_path}/began" not in listed


def test_what_needs_a_gpu_or_time_is_skipped_and_says_so(run):
    assert run("is right", needs_gpu=True)[0].said == "no GPU here"
    assert run("is right", needs_gpu=True, gpu=True)[0].verdict == RIGHT
    [outcome] = run("is right", seconds=2.0)
    assert outcome.verdict == SKIPPED
    assert "no time was left" in outcome.said


def test_a_line_that_is_ended_says_what_it_had_and_one_that_had_no_time_is_skipped(run):
    [outcome] = run("is not done", own=5)
    assert (outcome.verdict, outcome.said) == (WRONG, "is_not_done | said; ended after 5 s, before all was done")
    [outcome] = run("hangs", seconds=6.0)
    assert outcome.verdict == SKIPPED and "no time was left" in outcome.said
    [outcome] = run("says nothing")
    assert (outcome.verdict, outcome.said) == (FAILED, "it gave no answer")


def test_time_is_kept_for_the_lines_that_are_timed(monkeypatch):
    ends = {}
    monkeypatch.setattr(
        gpu_table,
        "run_line",
        lambda line, settings: ends.update({line.name: settings.end}) or gpu_table.Outcome(line.name, RIGHT, "", 0),
    )
    end = time.monotonic() + 1000
    gpu_table.run_all(LINES, gpu_table.Settings(pathlib.Path(), True, False, end), lambda outcome: None)
    timed = [line for line in LINES if line.timed]
    assert {ends[line.name] for line in timed} == {end}
    assert {ends[line.name] for line in LINES if not line.timed} == {end - sum(line.seconds for line in timed)}
    assert sum(line.seconds for line in timed) < gpu_table.SECONDS * 0.7


def test_every_line_has_its_function():
    folder = pathlib.Path(gpu_table.__file__).parent
    for line in LINES:
        assert f"\ndef {line.name.replace(' ', '_')}(" in (folder / line.script).read_text(), line.name


def test_kernels_are_counted_with_the_turns_of_loops():
    hlo = """
%body (a: (s32[], f32[2])) -> (s32[], f32[2]) {
  %dot.1 = f32[2]{0} dot(%b, %c), lhs={1}
  %fusion = f32[2]{0} fusion(%dot.1), kind=kLoop, calls=%f
  ROOT %tuple = (s32[], f32[2]) tuple(%d, %fusion)
}
%command_buffer.1 (p: f32[2]) -> f32[2] {
  %dot.2 = f32[2]{0} dot(%p, %p), lhs={1}
  ROOT %fusion.2 = f32[2]{0} fusion(%dot.2), kind=kLoop, calls=%f
}
ENTRY %main (x: f32[2]) -> f32[2] {
  %x = f32[2]{0} parameter(0)
  %call = f32[2] call(%x), to_apply=%command_buffer.1
  %copy = f32[2]{0} copy(%x)
  %while.1 = (s32[], f32[2]) while(%t), condition=%c, body=%body, backend_config={"known_trip_count":{"n":"30"}}
  ROOT %out = f32[2]{0} get-tuple-element(%while.1), index=1
}
"""
    assert gpu_kernels.counted(hlo) == "3 kernels outside of loops and 30 × 2 in loops, 63 in all"


def test_lines_that_are_named_are_run_and_those_of_a_gpu_say_that_there_is_none(tmp_path):
    """All lines are run by CI."""
    script = pathlib.Path(gpu_table.__file__).with_name("gpu")
    environment = {**os.environ, "PYTHON": sys.executable}
    command = [script, "--tiny", "--seconds", "1200", "--out", tmp_path / "gpu.md", "devices", "kernels"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [row.split(" | ")[:2] for row in (tmp_path / "gpu.md").read_text().splitlines()[4:]]
    assert rows == [["| devices", "right"], ["| kernels", "skipped"]]
