"""Simulators of users: found in the current folder, or refused with what would be right."""

from pathlib import Path

import pytest

from penstock.errors import CheckError
from penstock.services.find_simulator import find_simulator
from penstock.services.simulation import Setup
from penstock.simulators import SERVED, SIMULATORS
from penstock.simulators.stins import StinsSimulator

THERE = SIMULATORS | SERVED
CODE = """
from penstock.protocols.stins import StinsDecoder
from penstock.simulators import Simulator


class Camera(Simulator):
    decoder = StinsDecoder

    def start(self):
        return []

    def point(self, number):
        return []

    def end(self, points):
        return []


class Half(Simulator):
    decoder = StinsDecoder

    def start(self):
        return []


class Mute(Simulator):
    start, point, end = Camera.start, Camera.point, Camera.end
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, imports_end_here: None) -> None:
    (tmp_path / "counter.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)


def test_it_is_found() -> None:
    assert find_simulator("counter:Camera").socket == "push"
    assert find_simulator("stins") is find_simulator("penstock.simulators.stins:StinsSimulator") is StinsSimulator
    assert Setup(instrument="counter:Camera", rows=1, columns=1).problems() == []


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("stinks", f"no simulator is called 'stinks'; there are {', '.join(sorted(THERE))}, or write module:class"),
        ("counter:Camer", 'counter has no "Camer"; did you mean "Camera"?'),
        ("counter:StinsDecoder", "StinsDecoder is no Simulator; subclass penstock.simulators.Simulator"),
        ("counter:Half", "Half is abstract; write the methods end, point"),
        ("counter:Mute", "Mute names no decoder; write decoder = the decoder that reads what it says"),
    ],
)
def test_what_is_none_says_what_would_be(name: str, says: str) -> None:
    with pytest.raises(CheckError) as raised:
        find_simulator(name)
    assert raised.value.problems[0].text + "; " + raised.value.problems[0].remedy in (says, f"{says}; ")
    (problem,) = Setup(instrument=name, rows=1, columns=1).problems()
    assert str(problem) == f"instrument: {says}"
