"""Small ONNX models, made for a test: a weighted sum of an image's pixels, beside its mean."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save

__all__ = ["linear", "two_inputs"]

Dims = Sequence[int | str]


def linear(path: Path, factor: float, shape: Dims = ("n", 1, 2, 3), dtype: int = TensorProto.FLOAT) -> Path:
    """Write a model of ``sum``, (n, 1), the sum of an image times a factor, and ``twice``, (n, …), its double."""
    x = helper.make_tensor_value_info("x", dtype, list(shape))
    outputs: list[Any] = [
        helper.make_tensor_value_info("sum", TensorProto.FLOAT, [shape[0], 1]),
        helper.make_tensor_value_info("twice", TensorProto.FLOAT, list(shape)),
    ]
    pixels = math.prod(size for size in shape[1:] if isinstance(size, int))
    weights = numpy_helper.from_array(np.full((pixels, 1), factor, np.float32), "weights")
    two = numpy_helper.from_array(np.float32(2), "two")
    nodes = [
        helper.make_node("Cast", ["x"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["numbers"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["sum"]),
        helper.make_node("Mul", ["numbers", "two"], ["twice"]),
    ]
    return _saved(path, nodes, [x], outputs, [weights, two])


def two_inputs(path: Path) -> Path:
    """Write a model of ``ratio``, (n, 1), of its inputs ``counts`` and ``I0``, (n, 1) both."""
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 1]) for name in ("counts", "I0")]
    ratio = helper.make_tensor_value_info("ratio", TensorProto.FLOAT, ["n", 1])
    return _saved(path, [helper.make_node("Div", ["counts", "I0"], ["ratio"])], inputs, [ratio], [])


def _saved(path: Path, nodes: Any, inputs: Any, outputs: Any, weights: Any) -> Path:
    graph = helper.make_graph(nodes, "test", inputs, outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    partial = path.with_suffix(".part")
    save(model, partial)
    partial.replace(path)
    return path
