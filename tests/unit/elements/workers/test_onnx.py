"""ONNX models as workers: what they are fed, what comes of it, and files that change."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core import Block, Event, EventBatch, Message, PartColumn
from penstock.core.event import event_type
from penstock.elements.user_code import Worker, problems_of
from penstock.elements.workers.onnx import Onnx
from penstock.testing import assert_cut_independent
from tests.unit.elements.workers.onnx_models import linear, two_inputs


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return linear(tmp_path_factory.mktemp("models") / "net.onnx", 1.0)


def events(n: int, absent: tuple[int, ...] = ()) -> EventBatch:
    images = [Message(key=k, array=np.full((2, 3), k, np.uint16)) for k in range(n)]
    rows = np.array([k for k in range(n) if k not in absent], np.intp)
    present = np.array([k not in absent for k in range(n)])
    column = PartColumn(block=Block.of("camera", images), rows=rows, present=present)
    return EventBatch(join="scan", names=("camera",), numbers=np.arange(n), parts=(column,))


@given(st.integers(1, 9), st.sets(st.integers(0, 8)), st.integers(1, 4))
def test_each_event_has_its_outputs(net: Path, n: int, absent: set[int], batch: int) -> None:
    found = Onnx(batch=batch, model=net, scale=2.0, offset=1.0).process_batch(events(n, tuple(absent)))
    for k, value in enumerate(found):
        if k in absent:
            assert value is None
        else:
            assert value is not None
            assert value["sum"] == 12.0 * (k - 1)
            assert value["twice"].tolist() == [[[4.0 * (k - 1)] * 3] * 2]


def test_one_by_one_it_is_the_same(net: Path) -> None:
    worker = Onnx("camera", ["sum"], batch=3, model=net)
    assert_cut_independent(worker.process_batch, events(7, (2,)))
    assert [worker.process(event) for event in events(7, (2,)).events()] == worker.process_batch(events(7, (2,)))
    assert Onnx(model=net, outputs=["sum"]).process(Message(array=np.ones((2, 3)))) == {"sum": 6.0}
    assert Onnx(model=net, outputs=["sum"]).process(np.ones((2, 3))) == {"sum": 6.0}


def test_it_insists_on_a_batch_of_its_own(tmp_path: Path) -> None:
    net = linear(tmp_path / "four.onnx", 1.0, shape=(4, 2, 3))
    found = Onnx(outputs=["sum"], model=net).process_batch(events(6))
    assert [value and value["sum"] for value in found] == [0.0, 6.0, 12.0, 18.0, 24.0, 30.0]


def test_a_model_of_bytes_is_fed_bytes(tmp_path: Path) -> None:
    from onnx import TensorProto

    net = linear(tmp_path / "bytes.onnx", 1.0, dtype=TensorProto.UINT8)
    assert Onnx(outputs=["sum"], model=net).process(np.full((2, 3), 40)) == {"sum": 240.0}
    with pytest.raises(ValueError, match="the array has numbers that uint8 cannot hold"):
        Onnx(model=net).process(np.full((2, 3), 256))


def test_several_inputs_are_fed_by_name(tmp_path: Path) -> None:
    net = two_inputs(tmp_path / "ratio.onnx")
    event: Event = event_type(("camera", "monitor"))(
        1, (Message(array=np.array([6.0])), Message(metadata={"I0": {"mean": 4.0}}))
    )
    assert Onnx({"counts": "camera", "I0": "monitor.I0.mean"}, model=net).process(event) == {"ratio": 1.5}
    with pytest.raises(ValueError, match=r"the model has 2 inputs, counts and I0; write field: \{counts: …, I0: …\}"):
        Onnx("camera", model=net).process(event)
    with pytest.raises(ValueError, match="field names the inputs counts, and the model has counts and I0"):
        Onnx({"counts": "camera"}, model=net).process(event)


def test_a_file_that_changes_is_loaded_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = linear(tmp_path / "net.onnx", 1.0)
    worker = Onnx(outputs=["sum"], model=path)
    image = np.ones((2, 3))
    assert worker.process(image) == {"sum": 6.0}
    linear(path, 2.0)
    assert worker.process(image) == {"sum": 12.0}
    path.write_bytes(path.read_bytes()[:40])
    with caplog.at_level(logging.ERROR, "penstock"):
        assert worker.process(image) == {"sum": 12.0}
        assert worker.process(image) == {"sum": 12.0}
    (said,) = [record.getMessage() for record in caplog.records]
    assert "model net.onnx has changed and cannot be loaded; the one before goes on" in said
    worker.model = linear(tmp_path / "other.onnx", -1.0)
    assert worker.process(image) == {"sum": -6.0}
    worker.model = path
    with pytest.raises(ValueError, match=r"model .*net\.onnx: it cannot be loaded as an ONNX model"):
        worker.process(image)
    worker.model = tmp_path / "other.onnx"
    assert worker.process(image) == {"sum": -6.0}


@pytest.mark.parametrize(
    ("arguments", "item", "text"),
    [
        ({}, np.ones((3, 2)), r'the array has shape \[3, 2\], and input "x" of net\.onnx takes \[1, 2, 3\]'),
        ({"outputs": ["som"]}, np.ones((2, 3)), r'the model has no output "som"; it has sum and twice'),
        ({"field": "camera"}, {"camera": "text"}, r"camera is of dtype <U4; a model is fed numbers"),
        ({}, event_type(("a", "b"))(1, (None, None)), r"events have a and b; write field: a, or another"),
        ({}, Message(), r"there is no array in this message"),
    ],
)
def test_what_does_not_fit_is_said(net: Path, arguments: Any, item: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Onnx(**arguments, model=net).process(item)


def test_mistakes_are_found_before_it_runs() -> None:
    with pytest.raises(ValueError, match="there is no model; write model: FILE"):
        Onnx()
    with pytest.raises(ValueError, match="dtype is 'float12'"):
        Onnx(dtype="float12")
    (problem,) = problems_of("map", Onnx, {"model": "none.onnx"})
    assert "does not point to a file" in problem.text


def test_as_a_worker_its_model_is_a_parameter(net: Path, tmp_path: Path) -> None:
    worker = Worker(Onnx, {"outputs": ["sum"]}, parameters={"model": str(net)}, stage="net")
    assert [parameter.address for parameter in worker.parameters] == ["net.model", "net.scale", "net.offset"]
    assert worker.call_batch is not None
    assert worker.call_batch(events(2)) == [{"sum": 0.0}, {"sum": 6.0}]
    worker.apply({"net.model": linear(tmp_path / "b.onnx", 0.5)})
    assert worker.call_batch(events(2)) == [{"sum": 0.0}, {"sum": 3.0}]
