"""Contrast: conformance, and what its dictionaries become."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from penstock.core import Kind
from penstock.protocols.contrast import ContrastDecoder, encode_end, encode_heartbeat, encode_point, encode_start
from penstock.testing.decoder_tests import DecoderTests, Unit, decoded


def point(x: float) -> list[bytes]:
    return encode_point(0.5, sx=x, pseudo={"x": np.array([x]), "y": np.array([-x])}, label="träger")


class TestConformance(DecoderTests):
    decoder = ContrastDecoder

    def scan(self) -> Sequence[Unit]:
        start, end = encode_start(2, path="/data", energy=12000.0), encode_end(2, path="/data", energy=12000.0)
        return [[encode_heartbeat()], [start], [point(1.0)], [encode_heartbeat()], [point(2.0)], [end]]


def test_a_point_is_what_was_sent() -> None:
    (message,), lost = decoded(ContrastDecoder(), [point(1.5)])
    assert not lost
    assert (message.key, message.kind, message.array) == (None, Kind.DATA, None)
    assert message.metadata["sx"] == 1.5
    assert message.metadata["label"] == "träger"
    np.testing.assert_array_equal(message.metadata["pseudo"]["y"], [-1.5])


def test_heartbeats_are_counted() -> None:
    decoder = ContrastDecoder()
    assert decoded(decoder, [encode_heartbeat()] * 3) == ([], [])
    assert decoder.heartbeats == 3


def test_a_forbidden_global_is_named() -> None:
    _, (text,) = decoded(ContrastDecoder(), [[b"\x80\x02cposix\nsystem\nX\x04\x00\x00\x00true\x85R."]])
    assert "posix.system" in text
    assert "not allowed" in text


def test_the_recorded_scan(recordings: Path) -> None:
    from penstock.elements.recording_file import RecordingFile

    packets = [record.parts for record in RecordingFile(recordings / "contrast-dump.cbors")]
    decoder = ContrastDecoder()
    messages, lost = decoded(decoder, packets)
    assert (len(packets), lost, decoder.heartbeats) == (26, [], 4)
    assert [message.kind for message in messages] == [Kind.START, *[Kind.DATA] * 20, Kind.END]
    start = messages[0].metadata
    assert start["scannr"] == 2
    assert start["snapshot"]["energy"] == 12000.002585815417
    x = [float(message.metadata["pseudo"]["x"][0]) for message in messages[1:-1]]
    y = [float(message.metadata["pseudo"]["y"][0]) for message in messages[1:-1]]
    assert x[:3] == pytest.approx([-2.00405186, -2.00140402, -2.00094119], abs=1e-8)
    assert y[:3] == pytest.approx([-2.00290304, -0.99927482, 0.00123841], abs=1e-8)
    assert x == pytest.approx(np.repeat(np.linspace(-2, 2, 4), 5), abs=0.02), "mesh sx -2 2 3 sy -2 2 4"
    assert y == pytest.approx(np.tile(np.linspace(-2, 2, 5), 4), abs=0.02)
