"""The sink ``epics``, read by a real client: items of every kind, and a pipeline that serves values and views."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock.core import Message
from penstock.core.result import Result
from penstock.elements.sink import RunFacts
from penstock.elements.sinks.epics import EpicsSink
from penstock.errors import SinkError
from penstock.views import ArrayView
from tests.system.commands import LONGEST_S, started

pytest.importorskip("p4p", reason='no p4p on this machine; pip install "penstock[epics]"')
ROOT = Path(__file__).parents[2]
FACTS = RunFacts(pipeline="p", run="r")
TIME_S = 1_700_000_000
PIPELINE = """
name: live
sources: {n: {use: "tests.system.controlled:Paced", rate: 100, block: 1}}
events: {scan: {join: [n], by: key}}
stages:
  measure: {from: scan, map: "tests.system.epics_code:Measure"}
  image: {from: measure, reduce: "tests.system.epics_code:Views"}
sinks:
  items: {use: epics, from: measure, prefix: "L:ITEM:", fields: [gain], units: {gain: mm}, address: "127.0.0.1:PORT"}
  views: {use: epics, from: image, prefix: "L:", address: "127.0.0.1:PORT", when: {every_s: 0.1}}
"""


@contextmanager
def client_of(address: str) -> Iterator[Any]:
    from p4p.client.thread import Context

    conf = {"EPICS_PVA_ADDR_LIST": address, "EPICS_PVA_AUTO_ADDR_LIST": "NO"}
    with Context("pva", conf=conf, useenv=False) as client:
        yield client


@pytest.fixture
def opened() -> Iterator[Callable[..., EpicsSink]]:
    made: list[EpicsSink] = []

    def make(prefix: str, **named: Any) -> EpicsSink:
        made.append(EpicsSink(prefix, address="127.0.0.1:0", **named))
        made[-1].open(FACTS)
        return made[-1]

    yield make
    for sink in made:
        sink.close(ended_well=True)
    assert not [thread.name for thread in threading.enumerate() if thread.name == "pva-put"]


def test_items_of_every_kind_are_served_field_by_field(opened: Callable[..., EpicsSink]) -> None:
    sink = opened("S:", units={"x": "mm"})
    image = np.arange(6, dtype=">u2").reshape(2, 3)
    sink.write(Message(key=7, timestamp_ns=TIME_S * 10**9 + 5, metadata={"x": 0.5, "odd": None}, array=image))
    sink.write(Result(1, {"pseudo": {"y": 3}, "names": ["a", "b"], "none": {}}))
    sink.write(4)
    sink.write({"view": ArrayView((2,), "f4", unit="counts")})
    with client_of(sink.address) as client:
        names = ["S:array", "S:x", "S:pseudo:y", "S:names", "S:value", "S:view"]
        found, x, y, texts, value, view = client.get(names, timeout=LONGEST_S)
        np.testing.assert_array_equal(found, image)
        assert (found.raw["uniqueId"], found.raw_stamp) == (7, (TIME_S, 5))
        assert (x, x.raw["display.units"], x.raw_stamp) == (0.5, "mm", (TIME_S, 5))
        assert (y, list(texts), value) == (3, ["a", "b"], 4)
        assert (view.dtype, view.raw["display.units"]) == (np.float32, "counts")


def test_a_variable_keeps_its_type_where_that_loses_nothing(opened: Callable[..., EpicsSink]) -> None:
    sink = opened("S:")
    sink.write({"x": 1})
    with client_of(sink.address) as client:
        seen: list[Any] = []
        news = threading.Condition()

        def hear(value: Any) -> None:
            with news:
                seen.append(value)
                news.notify_all()

        def is_last(value: float) -> bool:
            return bool(seen) and seen[-1] == value

        with client.monitor("S:x", hear, notify_disconnect=True), news:
            for value, code in ((0.5, "d"), (2, "d")):
                sink.write({"x": value})
                assert news.wait_for(partial(is_last, value), LONGEST_S)
                assert seen[-1].raw.type()["value"] == code
        gone = [value for value in seen if isinstance(value, Exception)]
    assert len(gone) <= 2  # before it came, and when it became a double


def test_names_may_come_of_items_and_fields_be_chosen(opened: Callable[..., EpicsSink]) -> None:
    sink = opened("S:{pv}:", fields=["value"])
    for name in ("a", "b"):
        sink.write({"pv": name, "value": name.upper(), "more": 5})
    with client_of(sink.address) as client:
        assert client.get(["S:a:value", "S:b:value"], timeout=LONGEST_S) == ["A", "B"]
    with pytest.raises(SinkError, match='an item cannot be served: no field "value" in this dict; there are pv'):
        sink.write({"pv": "c"})
    with pytest.raises(SinkError, match="an item cannot be served: complex has no type in EPICS"):
        sink.write({"pv": "c", "value": 1j})


def test_too_many_names_are_counted(opened: Callable[..., EpicsSink], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock.elements.sinks.epics._MOST", 3)
    sink = opened("S:")
    for number in range(5):
        sink.write({f"x{number}": 1})
    assert sink.losses.news() == [("there are 3 process variables already", 2)]


def test_others_come_in_only_where_that_is_said() -> None:
    with pytest.raises(ValueError, match="could be reached by every machine of the network"):
        EpicsSink("S:", address="0.0.0.0")
    with pytest.raises(ValueError, match="prefix is empty"):
        EpicsSink("")
    with pytest.raises(SinkError, match=r"PVAccess cannot be served at 192\.0\.2\.1:0"):
        EpicsSink("S:", address="192.0.2.1:0", open_to_network=True).open(FACTS)


def test_a_pipeline_serves_values_and_views(tmp_path: Path, udp_port: int) -> None:
    (tmp_path / "p.yaml").write_text(PIPELINE.replace("PORT", str(udp_port)))
    with (
        started("run", "p.yaml", "-q", folder=tmp_path, environ={"PYTHONPATH": str(ROOT)}),
        client_of(f"127.0.0.1:{udp_port}") as client,
    ):
        gain = client.get("L:ITEM:gain", timeout=LONGEST_S)
        assert (gain, gain.raw["display.units"]) == (1.5, "mm")
        deadline = time.monotonic() + LONGEST_S
        while (shown := client.get("L:gain", timeout=LONGEST_S)) != 1.5:
            assert time.monotonic() < deadline, shown
        assert (shown.raw["display.units"], shown.raw["display.description"]) == ("mm", "the last one")
        assert client.get("L:map:Fe", timeout=LONGEST_S).shape == (2, 3)


@pytest.fixture
def udp_port() -> int:
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
