"""Each of these sources and its simulator over a real socket: what was injected is what is lost."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import numpy as np
import pytest

from penstock.core import Block, Kind, Message
from penstock.elements.source import Source
from penstock.pipeline.registry import Registry
from penstock.services.simulation import Setup, Simulation
from tests.system.simulated_scan import opened
from tests.system.sockets import read_scan

NUMBERED = ("albaem", "lecroy", "pandabox-zmq")
FAULTS = "lost=0.1,doubled=0.1,corrupt=0.1"


@contextmanager
def simulated(name: str, faults: str = "", series: int = 1) -> Iterator[tuple[Simulation, Source]]:
    """Let an instrument send to its source; both are closed in the end."""
    simulation = Simulation(Setup(instrument=name, rows=8, columns=10, series=series, faults=faults, wait_s=10))
    simulation.open()
    source: Source = Registry().find("sources", name).target(connect=simulation.address)
    source.stream = name
    source.open()
    sending = threading.Thread(target=simulation.run)
    sending.start()
    try:
        yield simulation, source
    finally:
        simulation.stop()
        sending.join()
        source.close()


def data_of(blocks: list[Block]) -> list[Block]:
    return [block for block in blocks if block.kind is Kind.DATA]


@pytest.mark.parametrize("name", NUMBERED)
def test_what_was_injected_is_what_is_lost(name: str) -> None:
    with simulated(name, FAULTS) as (simulation, source):
        blocks, lost = read_scan(source)
        injected = simulation.report.injected
    assert all(injected[fault] for fault in ("lost", "doubled", "corrupt"))
    assert len(lost) == injected["corrupt"]
    keys = np.concatenate([block.keys for block in data_of(blocks) if block.keys is not None])
    assert len(keys) == 80 - injected["lost"] + injected["doubled"] - injected["corrupt"]
    assert len(set(keys.tolist())) == 80 - injected["lost"] - injected["corrupt"]


def test_frames_of_a_pandabox_are_lost_alone() -> None:
    with simulated("pandabox-framed", FAULTS, series=2) as (simulation, source):
        blocks, lost = read_scan(source, scans=2)
        injected = simulation.report.injected
    assert injected["corrupt"]
    assert len(lost) == injected["corrupt"]
    rows = sum(map(len, data_of(blocks)))
    assert rows == 160 - injected["lost"] + injected["doubled"] - injected["corrupt"]
    ends = [message for block in blocks if block.kind is Kind.END for message in block.messages()]
    assert sum(end.metadata["received"] for end in ends) == rows
    assert [end.metadata["samples"] for end in ends] == [80, 80]


def test_bare_bytes_are_an_arm_a_connection() -> None:
    arms: list[list[Message]] = []
    with simulated("pandabox-unframed", "disconnect@30,lost=0.1,doubled=0.1", series=2) as (simulation, first):
        for source in (first, None, None):
            with closing(source or opened("pandabox-unframed", simulation.address)) as reading:
                blocks, lost = read_scan(reading)
            assert not lost
            arms.append([message for block in blocks for message in block.messages()])
        injected = simulation.report.injected
    rows = [[message for message in arm if message.kind is Kind.DATA] for arm in arms]
    assert [arm[-1].metadata for arm in arms] == [{"samples": len(r), "reason": "", "received": len(r)} for r in rows]
    assert injected["lost"]
    assert injected["doubled"]
    assert sum(map(len, rows)) == 160 - injected["lost"] + injected["doubled"], "and nobody says that some are missing"


@pytest.mark.parametrize("name", NUMBERED)
def test_scans_follow_each_other(name: str) -> None:
    with simulated(name, series=2) as (_, source):
        blocks, lost = read_scan(source, scans=2)
    assert not lost
    assert sum(map(len, data_of(blocks))) == 160
    assert np.concatenate([block.ids for block in blocks]).tolist() == list(range(1, 165))
