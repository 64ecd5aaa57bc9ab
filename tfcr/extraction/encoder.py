"""A Hugging Face model's hidden states, of several inputs at once: what speech and text models share. Needs torch."""

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import transformers

from tfcr import __version__
from tfcr.errors import TfcrError, UsageError
from tfcr.extraction.model_files import ModelFiles
from tfcr.extraction.settings import Settings

# Parameters that no hidden state depends on: published models often lack them.
_UNUSED = ("pooler.", "masked_spec_embed")
_CLOSE = {"float32": 1e-5, "half": 1e-2}  # of the largest feature: what the order of additions may change

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()


class Encoder:
    """A model in memory, on the GPU where there is one.

    Args:
        files: of the model.
        settings: which of its hidden states.

    Raises:
        TfcrError: the library cannot load it without running code of its own, or it lacks weights.
    """

    def __init__(self, files: ModelFiles, settings: Settings):
        self.files = files
        self.settings = settings
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.precision = settings.precision or ("half" if self.device == "cuda" else "float32")
        torch.backends.cudnn.deterministic = True
        self.model = self._loaded().to(self.device).eval().requires_grad_(False)
        self.config = self.model.config

    def described(self, modality: str, sample_rate: int | None, window: int, overlap: int) -> dict[str, Any]:
        """The description of the extractor that asks the model; `window` and `overlap` in seconds or tokens."""
        return {
            "kind": "transformers",
            "modality": modality,
            "model": self.files.name,
            "revision": self.files.revision,
            "sha256": self.files.sha256,
            "settings_sha256": self.files.settings_sha256,
            "layer": self.settings.layer,
            "pool": self.settings.pool,
            "sample_rate": sample_rate,
            "window": window,
            "overlap": overlap,
            "precision": self.precision,
            "versions": {
                "tfcr": __version__,
                "torch": torch.__version__,
                "transformers": transformers.__version__,
            },
        }

    def hidden_states(self, batch: Mapping[str, np.ndarray]) -> np.ndarray:
        """The layers that are wanted.

        Args:
            batch: the model's inputs by name, [batch, …].

        Returns:
            float32 [layers, batch, time, dim].

        Raises:
            UsageError: there is no such layer.
            TfcrError: the model gives no sequence, or the GPU's memory is full.
        """
        wanted = self.settings.layer
        inputs = {name: torch.from_numpy(array).to(self.device) for name, array in batch.items()}
        try:
            with torch.inference_mode(), self._precision():
                output = self.model(**inputs, output_hidden_states=wanted != "last", return_dict=True)
        except torch.cuda.OutOfMemoryError:
            raise TfcrError("the GPU's memory is full; lower --batch, or --window") from None
        if wanted == "last":
            chosen = [output.last_hidden_state]
        else:
            states = output.hidden_states
            if isinstance(wanted, int) and wanted >= len(states):
                raise UsageError(
                    f"--layer {wanted}: {self.files.name} has the hidden states 0 to {len(states) - 1}, last, mean and "
                    "all"
                )
            chosen = [states[wanted]] if isinstance(wanted, int) else list(states)
        if any(state.shape != chosen[0].shape or state.ndim != 3 for state in chosen):
            raise TfcrError(
                f"--model {self.files.name}: its hidden states have the shapes {[*map(list, map(np.shape, chosen))]}; "
                "expected [batch, time, dim], equal ones for the layers mean and all"
            )
        layers = torch.stack([state.float() for state in chosen])
        return (layers.mean(dim=0, keepdim=True) if wanted == "mean" else layers).cpu().numpy()

    def agrees(self, features: np.ndarray, others: np.ndarray) -> bool:
        """Whether two computations of the same features differ in rounding alone."""
        if features.shape != others.shape:
            return False
        return bool(np.abs(features - others).max() <= _CLOSE[self.precision] * max(1.0, np.abs(others).max()))

    def _precision(self) -> contextlib.AbstractContextManager:
        if self.precision == "float32":
            return contextlib.nullcontext()
        return torch.autocast(self.device, torch.float16 if self.device == "cuda" else torch.bfloat16)

    def _loaded(self) -> torch.nn.Module:
        name = self.files.name
        with loading(name):
            model, found = transformers.AutoModel.from_pretrained(
                self.files.folder,
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
                dtype=torch.float32,
                output_loading_info=True,
            )
            encoder = model.get_encoder() if model.config.is_encoder_decoder else model
        parameters = dict(model.named_parameters())
        used = {id(parameter) for parameter in encoder.parameters()}
        lacking = sorted(
            key
            for key in found["missing_keys"]
            if id(parameters.get(key)) in used and not any(unused in key for unused in _UNUSED)
        )
        if lacking or found["mismatched_keys"]:
            raise TfcrError(
                f"--model {name} has no weights for {len(lacking) or len(found['mismatched_keys'])} of the parameters "
                f"of a {model.config.model_type} model, such as {(lacking or sorted(found['mismatched_keys']))[0]}; "
                "is it complete?"
            )
        return encoder


@contextlib.contextmanager
def loading(name: str):
    """What the library cannot load is one line."""
    try:
        yield
    except (OSError, ValueError, ImportError, LookupError, RuntimeError, AttributeError, TypeError) as error:
        reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise TfcrError(
            f"--model {name} cannot be loaded by transformers {transformers.__version__} ({reason.rstrip('.')}); "
            "expected a speech or text model that the library knows, without code of its own"
        ) from None


def padded(arrays: Sequence[np.ndarray], value: float = 0) -> np.ndarray:
    """[batch, longest, …] of arrays [length, …], with `value` behind the shorter ones."""
    whole = np.full((len(arrays), max(map(len, arrays)), *arrays[0].shape[1:]), value, arrays[0].dtype)
    for row, array in zip(whole, arrays, strict=True):
        row[: len(array)] = array
    return whole


def of_equal_length(arrays: Sequence[np.ndarray]) -> list[list[int]]:
    """The positions of the arrays, those of one shape together."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for position, array in enumerate(arrays):
        groups.setdefault(array.shape, []).append(position)
    return list(groups.values())
