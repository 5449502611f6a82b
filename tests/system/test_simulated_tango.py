"""A simulated Tango device and its source: every point is heard, but for those that were lost on purpose."""

import threading

import numpy as np
import pytest

from penstock.elements.sources.tango import TangoSource
from penstock.services.simulation import Setup, Simulation
from penstock.simulators.xrf_scan import XrfScan
from tests.system.source_reader import Begin

pytest.importorskip("tango", reason='no PyTango on this machine; pip install "penstock[tango]"')
ROWS, COLUMNS, SEED = 3, 5, 3


def test_every_point_is_heard_but_those_that_were_lost(reader: Begin) -> None:
    setup = Setup(
        instrument="tango", rows=ROWS, columns=COLUMNS, seed=SEED, faults="lost=0.2", wait_s=30, rate_hz=20
    )  # fmt: skip
    simulation = Simulation(setup)
    simulation.open()
    sending = threading.Thread(target=simulation.run)
    sending.start()
    try:
        it = reader(TangoSource(simulation.address, ["x", "shutter", "spectrum", "items"]))
        it.until(lambda: [m.metadata.get("value") for m in it.messages if m.metadata["attribute"] == "shutter"][2:])
    finally:
        simulation.stop()
        sending.join()
    lost = simulation.report.injected["lost"]
    assert lost
    said = {
        name: [m for m in it.messages if m.metadata["attribute"] == name]
        for name in ("x", "shutter", "spectrum", "items")
    }
    assert [message.metadata["value"] for message in said["shutter"]] == ["closed", "open", "closed"]
    assert [message.metadata["value"] for message in said["items"]] == list(range(ROWS * COLUMNS - lost + 1))
    scan = XrfScan(ROWS, COLUMNS, SEED)
    spectra = [scan.spectrum(number) for number in range(scan.points)]
    heard = [message.array for message in said["spectrum"][1:]]
    assert len(heard) == scan.points - lost
    assert all(any(np.array_equal(array, spectrum) for spectrum in spectra) for array in heard)
    assert said["x"][0].metadata["unit"] == "um"


def test_a_number_that_is_wrong_could_not_be_seen() -> None:
    (problem,) = Setup(instrument="tango", rows=2, columns=2, faults="corrupt=0.1").problems()
    assert str(problem).startswith("faults.corrupt: tango says numbers, of which nobody could see")
