"""Commands start with what they need: no module that nothing asks for is imported before help or the first step."""

import json
import subprocess
import sys

import yaml

# What other commands need, or Keras would import only because it is installed.
_NEEDLESS = {
    *("gensim", "jinja2", "joblib", "librosa", "matplotlib", "pandas", "scipy.stats", "sklearn", "soundfile", "soxr"),
    *("tensorflow_io", "fastapi", "gradio", "onnxruntime", "regex"),
}

_HELP = """
import json, sys
import click
click.Group("empty").main(["--help"], standalone_mode=False)
before = set(sys.modules)
from tfcr.cli import main
try:
    main(["--help"])
except SystemExit:
    pass
print(json.dumps(sorted(set(sys.modules) - before)))
"""

_FIRST_STEP = """
import json, os, sys
from tfcr.cli import main, display
def stop(*arguments):
    print(json.dumps(sorted(sys.modules)), flush=True)
    os._exit(0)
display.TrainingProgress.step = stop
main(sys.argv[1:])
"""


def _printed(script: str, *arguments) -> list[str]:
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1])


def test_help_imports_five_files_of_ours_beyond_what_click_does():
    assert _printed(_HELP) == ["tfcr", "tfcr.cli", "tfcr.errors", "tfcr.keras_settings", "tfcr.tensorflow_environment"]


def test_a_training_reaches_its_first_step_without_needless_imports(small_config, small_dataset, tmp_path):
    # Folds by speaker, because scikit-learn draws the stratified ones.
    changed = {**small_config.to_dict(), "alpha": 0.1, "protocol": "speaker"}
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(changed))
    run = tmp_path / "run"
    loaded = _printed(
        *(_FIRST_STEP, "train", "--config", tmp_path / "small.yaml"), "--data", small_dataset.folder, "--run", run
    )
    assert "tensorflow" in loaded and "tfcr.training.train" in loaded
    assert _NEEDLESS & set(loaded) == set()
