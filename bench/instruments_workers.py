"""Workers that are not Python of ours: a program that stays, and a trained model in batches."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bench.effort import Effort
from bench.local_code import AddDicts, AddNumbers
from bench.local_run import run
from bench.local_sources import Images, image
from bench.row import Row, in_turns
from penstock.pipeline import Join, Map, Pipeline, Reduce, Source, Use
from penstock.wire.program_frames import frame_parts

__all__ = ["counted", "inferred", "model_rows", "program_rows"]

PROGRAM = Path(__file__).with_name("counting_program.py")
SIDE = 64
BATCH = 64


def counted(notes: str, n: int, width: int, height: int) -> Pipeline:
    """Return a pipeline in which one program is given ``n`` images, (height, width) numbers of two bytes."""
    return Pipeline(
        name="program",
        sources={"camera": Source(Images, width=width, height=height, n=n)},
        stages={
            "count": Map(Use("program", command=["{python}", str(PROGRAM)]), source="camera"),
            "sum": Reduce(AddNumbers, source="count", notes=notes),
        },
    )


def inferred(notes: str, n: int, model: str) -> Pipeline:
    """Return a pipeline in which one model is fed ``n`` images in batches."""
    return Pipeline(
        name="model",
        sources={"camera": Source(Images, width=SIDE, height=SIDE, n=n)},
        events={"frames": Join("camera", by="key")},
        stages={
            "infer": Map(Use("onnx", field="camera", model=model, batch=BATCH), source="frames"),
            "sum": Reduce(AddDicts, source="infer", notes=notes),
        },
    )


def program_rows(effort: Effort) -> Iterator[Row]:
    """Measure a program that stays, beside a bare pipe to the same program."""
    for name, width, height, hoped_per_s in (("1 kB", 32, 16, 8e3), ("1 MB", 1024, 512, 500.0)):
        n, nbytes = effort.count(hoped_per_s), 2 * width * height
        of_us = partial(_program_per_s, effort.engine, n, width, height)
        bare, found = in_turns(effort.runs, partial(_bare_per_s, n, width, height), of_us)
        yield Row(
            name=f"program: events of {name} to one program that stays", value=found, unit="events/s",
            reference=bare, of=f"a bare pipe to it, {nbytes:,} bytes each",
        )  # fmt: skip


def model_rows(effort: Effort) -> Iterator[Row]:
    """Measure a model that is fed in batches, beside ONNX Runtime with the same batches, made before."""
    n = effort.count(5e3, BATCH)
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder:
        path = _model(Path(folder) / "net.onnx")

        def rate_per_s() -> float:
            return run(
                "bench.instruments_workers:inferred", effort.engine, expected=n, n=n, model=str(path)
            ).rate_per_s(in_bursts=True)

        alone, found = in_turns(effort.runs, partial(_alone_per_s, path, n), rate_per_s)
    yield Row(
        name=f"onnx: images of {SIDE} × {SIDE} in batches of {BATCH}, a convolution of 8 channels", value=found,
        unit="events/s", reference=alone, of="ONNX Runtime alone, on one thread",
    )  # fmt: skip


def _program_per_s(engine: str, n: int, width: int, height: int) -> float:
    total = 2 * width * height * n
    name = "bench.instruments_workers:counted"
    outcome = run(name, engine, expected=n, expected_sum=total, n=n, width=width, height=height)
    return outcome.rate_per_s()


def _bare_per_s(n: int, width: int, height: int) -> float:
    frames = [
        b"".join(frame_parts({"kind": "event", "number": k}, {"array": image(width, height, k)}, {"key": k}))
        for k in range(4)
    ]
    with subprocess.Popen([sys.executable, str(PROGRAM)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        begin = 0.0
        for k in range(-len(frames), n):
            begin = begin if k else time.perf_counter()  # those before are the warm-up
            program.stdin.write(frames[k % len(frames)])
            program.stdin.flush()
            assert program.stdout.readline()
        took_s = time.perf_counter() - begin
        program.stdin.close()
    return n / took_s


def _alone_per_s(path: Path, n: int) -> float:
    session = _session(path)
    batches = [
        np.stack([image(SIDE, SIDE, BATCH * turn + k) for k in range(BATCH)]).astype(np.float32)[:, np.newaxis]
        for turn in range(4)
    ]
    for batch in batches:
        session.run(None, {"x": batch})
    begin = time.perf_counter()
    for turn in range(n // BATCH):
        session.run(None, {"x": batches[turn % len(batches)]})
    return n / (time.perf_counter() - begin)


def _session(path: Path) -> Any:
    import os

    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _model(path: Path) -> Path:
    from onnx import TensorProto, helper, numpy_helper, save

    dice = np.random.default_rng(1)
    weights = numpy_helper.from_array(dice.random((8, 1, 3, 3), np.float32), "weights")
    ones = numpy_helper.from_array(np.ones((8, 1), np.float32), "ones")
    nodes = [
        helper.make_node("Conv", ["x", "weights"], ["edges"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["edges"], ["positive"]),
        helper.make_node("GlobalAveragePool", ["positive"], ["means"]),
        helper.make_node("Flatten", ["means"], ["flat"]),
        helper.make_node("MatMul", ["flat", "ones"], ["total"]),
        helper.make_node("Cast", ["total"], ["sum"], to=TensorProto.INT64),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1, SIDE, SIDE])
    total = helper.make_tensor_value_info("sum", TensorProto.INT64, ["n", 1])
    graph = helper.make_graph(nodes, "bench", [x], [total], [weights, ones])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path
