"""Simulated process variables and their sources, over PVAccess: what was injected is what is lost."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from penstock.elements.sources.pv import PvSource
from penstock.elements.sources.pva import PvaImageSource
from penstock.services.simulation import Setup, Simulation
from penstock.simulators.stins import StinsSimulator
from penstock.simulators.xrf_scan import XrfScan
from tests.system.commands import ended
from tests.system.simulated_scan import simulating
from tests.system.source_reader import Begin

pytest.importorskip("p4p", reason='no p4p on this machine; pip install "penstock[epics]"')
ROWS, COLUMNS, SEED = 8, 10, 3


@contextmanager
def simulated(instrument: str, faults: str = "") -> Iterator[tuple[Simulation, str]]:
    """Let an IOC serve a scan as soon as somebody comes; give it and where it is looked for."""
    setup = Setup(
        instrument=instrument, rows=ROWS, columns=COLUMNS, seed=SEED, faults=faults, wait_s=20, rate_hz=400
    )  # fmt: skip
    simulation = Simulation(setup)
    simulation.open()
    sending = threading.Thread(target=simulation.run)
    sending.start()
    try:
        yield simulation, simulation.address.removeprefix("tcp://")
    finally:
        simulation.stop()
        sending.join()


def test_images_arrive_and_what_went_wrong_is_counted(reader: Begin) -> None:
    with simulated("pva", "lost=0.1,doubled=0.1,corrupt=0.1") as (simulation, address):
        it = reader(PvaImageSource("SIM:image", address, queue=200))
        it.until(lambda: simulation.report.state == "finished")
    injected = simulation.report.injected
    assert all(injected[name] for name in ("lost", "doubled", "corrupt"))
    assert len(it.messages) == ROWS * COLUMNS - injected["lost"] - injected["corrupt"]
    assert (len(it.unparsable), it.filtered) == (injected["corrupt"], 1 + injected["doubled"])
    camera = StinsSimulator(XrfScan(ROWS, COLUMNS, SEED))
    for message in it.messages:
        np.testing.assert_array_equal(message.array, camera.image(message.key or 0))


def test_an_ioc_that_goes_is_found_again(reader: Begin) -> None:
    with simulated("pva", "disconnect@40") as (simulation, address):
        it = reader(PvaImageSource("SIM:image", address, queue=200))
        it.until(lambda: simulation.report.state == "finished")
    keys = [message.key for message in it.messages]
    assert keys[:40] == list(range(40))
    assert keys[-1] == ROWS * COLUMNS - 1
    assert len(keys) + it.missing == ROWS * COLUMNS


def test_values_of_every_kind_arrive_point_by_point(reader: Begin) -> None:
    names = [f"SIM:{name}" for name in ("y", "x", "I0", "shutter", "spectrum")]
    with simulated("pv") as (simulation, address):
        it = reader(PvSource(names, address, queue=200))
        it.until(lambda: simulation.report.state == "finished")
    said = {name: [each for each in it.messages if each.metadata["pv"] == name] for name in names}
    scan = XrfScan(ROWS, COLUMNS, SEED)
    y, x = ([message.metadata["value"] for message in said[name]] for name in names[:2])
    assert list(zip(y[1:], x[1:], strict=True)) == [tuple(scan.position(n).tolist()) for n in range(scan.points)]
    assert [message.metadata["value"] for message in said["SIM:shutter"]] == ["closed", "open", "closed"]
    assert {message.metadata.get("unit") for message in said["SIM:I0"]} == {"counts"}
    for number, message in enumerate(said["SIM:spectrum"][1:]):
        np.testing.assert_array_equal(message.array, scan.spectrum(number))


def test_it_is_a_command_like_the_others(tmp_path: Path, reader: Begin) -> None:
    with simulating(tmp_path, "pva", "--points", "2x3", "--rate", "100") as (process, address):
        it = reader(PvaImageSource("SIM:image", address.removeprefix("tcp://")))
        it.until(lambda: len(it.messages) == 6)
        said = process.end()
    assert said.code == 0
    said = ended("sim", "pv", "--faults", "corrupt=0.1", folder=tmp_path)
    assert (said.code, said.out) == (2, "")
    assert "--faults.corrupt: pv says numbers, of which nobody could see that they are wrong; leave it out" in said.err
