"""PyTorch models as workers, on one thread of the processor: exported programs and TorchScript, no classes by name."""

import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.elements.model_input import ModelInput
from penstock.elements.model_worker import Model, ModelWorker
from penstock.extra import extra

__all__ = ["Torch"]


class _TorchModel(Model):
    def __init__(self, torch: Any, module: Any, inputs: tuple[ModelInput, ...], names: Sequence[str]) -> None:
        self._torch, self._module, self._names = torch, module, names
        self.inputs = inputs

    def run(self, arrays: Sequence[NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        with self._torch.inference_mode():
            found = self._module(*[self._torch.from_numpy(array) for array in arrays])
        if isinstance(found, Mapping):
            return {str(name): self._array(tensor) for name, tensor in found.items()}
        tensors = found if isinstance(found, tuple | list) else (found,)
        plain = ["output"] if len(tensors) == 1 else [f"output_{k}" for k in range(1, len(tensors) + 1)]
        names = self._names if len(self._names) == len(tensors) else plain
        return {name: self._array(tensor) for name, tensor in zip(names, tensors, strict=True)}

    def _array(self, tensor: Any) -> NDArray[Any]:
        if tensor.dtype == self._torch.bfloat16:  # which NumPy does not have
            tensor = tensor.float()
        array: NDArray[Any] = tensor.detach().cpu().numpy()
        return array


class Torch(ModelWorker):
    """Run a PyTorch model over batches of events.

    Of each event it returns a dictionary of the model's outputs: arrays, and plain numbers where an output has one for
    each event. A model that gives tensors without names calls them as ``outputs`` does, else ``output``, or
    ``output_1``, ``output_2``, …. An event without the part that is fed has no result and is *filtered*.

    The file is a program of `torch.export` (``.pt2``), which says what it takes, or of TorchScript (``.pt``), which
    does not: there ``shape`` does. Files that name classes to be imported are not read.
    """

    def load(self, path: Path) -> Model:
        """Load a model, to be run on one thread: of this whole process."""
        # Where ONNX Runtime is installed, torch imports it, and that tells Microsoft of itself unless this is set.
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
        with extra("torch"):
            import torch  # 1 s and more
        torch.set_num_threads(1)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that TorchScript is old its users know
                if path.suffix == ".pt2":
                    return _of_export(torch, torch.export.load(path), self._outputs or ())
                module = torch.jit.load(path, map_location="cpu").eval()
        except Exception as error:  # what it raises is of many kinds
            raise ValueError(f"it cannot be loaded as a PyTorch model: {_line(error)}") from error
        names = [each.name for each in module.forward.schema.arguments][1:]
        return _TorchModel(torch, module, tuple(ModelInput(name=name) for name in names), self._outputs or ())


def _of_export(torch: Any, program: Any, names: Sequence[str]) -> Model:
    """Return a program's model, with the inputs that its users give."""
    values = {node.name: node.meta.get("val") for node in program.graph.nodes if node.op == "placeholder"}
    inputs = tuple(_input(name, values[name]) for name in program.graph_signature.user_inputs)
    return _TorchModel(torch, program.module(), inputs, names)


def _input(name: str, value: Any) -> ModelInput:
    if value is None or not hasattr(value, "shape"):
        return ModelInput(name=name)
    said = [size if isinstance(size, int) else None for size in value.shape]
    dtype = np.dtype(str(value.dtype).removeprefix("torch."))
    return ModelInput(
        name=name, batch=said[0] if said else None, shape=tuple(said[1:]) if said else None, dtype=dtype
    )  # fmt: skip


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:400]
