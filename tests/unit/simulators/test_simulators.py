"""What every simulator keeps: its packets depend on the seed alone, and its own decoder reads them."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core import Kind
from penstock.core.decoder import Decoder, Traits
from penstock.protocols import decoder_named
from penstock.simulators import SERVED, SIMULATORS, Packets, Simulator, XrfScan, simulator_named
from tests.unit.simulators.decoded import UNSEEN, decoded

names = pytest.mark.parametrize("name", sorted(SIMULATORS))
seen = pytest.mark.parametrize("name", sorted({*SIMULATORS} - UNSEEN))
small = st.integers(1, 5)
seeds = st.integers(0, 2**40)


def packets(name: str, rows: int, columns: int, seed: int) -> list[Packets]:
    return list(simulator_named(name)(XrfScan(rows, columns, seed)).packets())


@names
@given(rows=small, columns=small, seed=seeds)
def test_the_same_seed_gives_the_same_bytes_and_another_one_others(
    name: str, rows: int, columns: int, seed: int
) -> None:
    sent = packets(name, rows, columns, seed)
    assert packets(name, rows, columns, seed) == sent
    assert packets(name, rows, columns, seed + 1)[2:-1] != sent[2:-1]


def test_another_process_gives_the_same_bytes() -> None:
    code = (
        "import hashlib; from penstock.simulators import *; from penstock.simulators.xrf_scan import *\n"
        "scans = {name: list(simulator_named(name)(XrfScan(2, 3, 4)).packets()) for name in SIMULATORS}\n"
        "print(hashlib.sha256(repr(scans).encode()).hexdigest())"
    )
    said = {subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout for _ in range(2)}
    assert len(said) == 1


@names
@given(rows=small, columns=small, seed=seeds, data=st.data())
def test_a_point_does_not_depend_on_those_before(
    name: str, rows: int, columns: int, seed: int, data: st.DataObject
) -> None:
    point = data.draw(st.integers(0, rows * columns - 1))
    assert (
        simulator_named(name)(XrfScan(rows, columns, seed)).point(point)
        == packets(name, rows, columns, seed)[2 + point]
    )


@names
@given(rows=small, columns=small, seed=seeds)
def test_its_decoder_reads_a_start_every_point_and_an_end(name: str, rows: int, columns: int, seed: int) -> None:
    decoder = simulator_named(name).decoder()
    messages = decoded(decoder, packets(name, rows, columns, seed))
    assert [m.kind for m in messages] == [Kind.START, *[Kind.DATA] * (rows * columns), Kind.END]
    if decoder.traits.number:
        first = decoder.traits.first or 0
        assert [m.key for m in messages[1:-1]] == list(range(first, first + rows * columns))


def test_it_travels_as_its_decoder_expects() -> None:
    for name, socket, greeting in (
        ("xspress3", "pub", b""),
        ("stins", "push", b""),
        ("dectris", "push", b""),
        ("pandabox", "tcp", b"\n"),
    ):
        simulator = simulator_named(name)
        assert simulator.decoder is decoder_named(name)
        assert (simulator.socket, simulator.greeting) == (socket, greeting)


def test_a_simulator_names_a_decoder_that_says_its_socket() -> None:
    with pytest.raises(TypeError, match=r'Silent.traits.socket is ""; Camera needs "pull" or "sub" or "tcp"'):
        type("Camera", (Simulator,), {"decoder": type("Silent", (Decoder,), {"traits": Traits()})})


@seen
@given(seed=seeds)
def test_a_point_begins_with_what_can_be_spoilt(name: str, seed: int) -> None:
    simulator = simulator_named(name)(XrfScan(2, 2, seed))
    text = simulator.point(3)[0][0]
    assert len(text) >= 2
    assert text.isascii() or simulator.spoilable


def test_who_shows_no_fault_says_so() -> None:
    assert {name for name in SIMULATORS if simulator_named(name).spoilable == 0} == UNSEEN


@pytest.mark.parametrize("name", ["xspres", "", "penstock.simulators.stins:StinsSimulator"])
def test_what_is_no_simulator_is_refused(name: str) -> None:
    there = ", ".join(sorted(SIMULATORS | SERVED))
    with pytest.raises(ValueError, match=f"no simulator is called '{name}'; there are {there}, or"):
        simulator_named(name)
