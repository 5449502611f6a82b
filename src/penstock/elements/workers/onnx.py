"""ONNX models as workers, run by ONNX Runtime on one thread of the processor."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from penstock.elements.model_input import ModelInput
from penstock.elements.model_worker import Model, ModelWorker
from penstock.extra import extra

__all__ = ["Onnx"]

_DTYPES: Final[Mapping[str, str]] = {
    "tensor(float16)": "float16",
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(bool)": "bool",
    **{f"tensor({sign}int{bits})": f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
}
"""What ONNX Runtime calls the types of numbers that NumPy has, too."""


class _OnnxModel(Model):
    def __init__(self, session: Any) -> None:
        self._session = session
        self._outputs = [output.name for output in session.get_outputs()]
        self.inputs = tuple(_input(entry) for entry in session.get_inputs())

    def run(self, arrays: Sequence[NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        fed = {entry.name: array for entry, array in zip(self.inputs, arrays, strict=True)}
        return dict(zip(self._outputs, self._session.run(self._outputs, fed), strict=True))


class Onnx(ModelWorker):
    """Run an ONNX model over batches of events, by ONNX Runtime.

    Of each event it returns a dictionary of the model's outputs: arrays, and plain numbers where an output has one for
    each event. An event without the part that is fed has no result and is *filtered*. ONNX Runtime is kept from telling
    its makers what it does, unless ``ORT_DISABLE_TELEMETRY`` is set to 0.
    """

    def load(self, path: Path) -> Model:
        """Load a model, to be run on one thread."""
        # Since 1.29 it tells Microsoft of sessions, and leaves a file, unless this is set before it begins.
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
        with extra("onnx"):
            import onnxruntime  # 140 ms
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3  # errors, which are raised anyway
        try:
            return _OnnxModel(onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"]))
        except Exception as error:  # its exceptions have no base of their own
            raise ValueError(f"it cannot be loaded as an ONNX model: {_line(error)}") from error


def _input(entry: Any) -> ModelInput:
    if entry.type not in _DTYPES:
        raise ValueError(f'its input "{entry.name}" is a {entry.type}; a model is fed numbers')
    said = [size if isinstance(size, int) and size > 0 else None for size in entry.shape or ()]
    return ModelInput(
        name=entry.name,
        batch=said[0] if said else None,
        shape=tuple(said[1:]) if said else None,
        dtype=np.dtype(_DTYPES[entry.type]),
    )


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())
