"""Frames are kept as they came, between start and end, for every instrument."""

import json
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock.compat.dranspose.events import TYP
from penstock.compat.dranspose.raw_decoders import (
    ContrastRaw,
    LecroyRaw,
    PandaTcpRaw,
    PandaZmqRaw,
    RawDecoder,
    StinsRaw,
    XspressRaw,
)
from penstock.core.message import Kind, Message
from penstock.elements.recording_file import RecordingFile
from penstock.errors import RemoteProtocolError
from penstock.protocols import contrast, stins
from penstock.testing.decoder_tests import decoded


def frames(messages: Sequence[Message]) -> list[list[bytes]]:
    return [[buffer.tobytes() for buffer in message.buffers] for message in messages]


def recorded(path: Path, decoder: RawDecoder) -> list[Message]:
    messages, lost = decoded(decoder, [record.parts for record in RecordingFile(path)])
    assert not lost
    return messages


def test_only_what_lies_between_start_and_end_is_kept() -> None:
    images = [stins.encode_image(k, np.zeros((2, 2), np.uint16)) for k in range(3)]
    start, end = stins.encode_start("a"), stins.encode_end()
    decoder = StinsRaw()
    messages, lost = decoded(decoder, [images[0], end, start, images[1], images[2], end, images[0], start, end])
    assert not lost
    assert frames(messages) == [start, images[1], images[2], end]
    assert [message.kind for message in messages] == [Kind.DATA, Kind.DATA, Kind.DATA, Kind.END]
    assert {message.metadata[TYP] for message in messages} == {"STINS"}
    assert decoder.heartbeats == 5


def test_places_are_by_number_and_go_on_when_it_begins_again() -> None:
    def sent(*numbers: int) -> list[int | None]:
        images = [stins.encode_image(k, np.zeros((2, 2), np.uint16)) for k in numbers]
        messages, _ = decoded(StinsRaw(), [stins.encode_start("a"), *images, stins.encode_end()])
        return [message.key for message in messages]

    assert sent(0, 1, 2) == [0, 1, 2, 3, 4]
    assert sent(0, 3, 3, 4) == [0, 1, 4, 4, 5, 6]  # two are lost, and one comes twice
    assert sent(100, 102, 101) == [0, 1, 3, 2, 4]
    assert sent(0, 1, 2, 0, 1) == [0, 1, 2, 3, 4, 5, 6]
    assert sent() == [0, 1]


def test_heartbeats_are_left_out() -> None:
    point = contrast.encode_point(0.5, sx=1.0)
    messages, lost = decoded(ContrastRaw(), [contrast.encode_heartbeat(), contrast.encode_start(1), point, [b"junk"]])
    assert frames(messages)[1] == point
    assert len(lost) == 1


def test_both_framings_of_spectra_give_the_same() -> None:
    head = json.dumps({"htype": "image", "frame": 0, "shape": [2, 2], "type": "uint32"}).encode()
    spectrum = [head, np.arange(4, dtype=np.uint32).tobytes(), pickle.dumps([np.zeros(2)])]
    start = [b'{"htype": "header", "filename": "a"}']
    together, _ = decoded(XspressRaw(), [start, spectrum])
    apart, lost = decoded(XspressRaw(), [start, *([part] for part in spectrum)])
    assert frames(together) == frames(apart) == [start, spectrum]
    messages, lost = decoded(XspressRaw(), [start, [head], spectrum, [head], [spectrum[1]], [spectrum[2]]])
    assert frames(messages) == [start, spectrum]
    assert len(lost) == 1


def test_a_block_of_points_becomes_points() -> None:
    start = {"message_id": 1, "version": 1, "message_type": "series-start", "arm_time": "2026-11-26T12:00:00Z"}
    block = {"message_id": 2, "version": 1, "message_type": "data", "frame_number": 5, "energy": [1.0, 2.0], "k": 3}
    bad = {**block, "other": [1]}
    messages, lost = decoded(PandaZmqRaw(), [[json.dumps(each).encode()] for each in (start, block, bad)])
    points: list[Any] = [json.loads(each[0]) for each in frames(messages)[1:]]
    assert [(p["frame_number"], p["energy"], p["k"]) for p in points] == [(5, 1.0, 3), (6, 2.0, 3)]
    assert len(lost) == 1


def test_a_pandabox_is_armed_twice() -> None:
    header = b"arm_time: 2026-11-26T12:00:00Z\nmissed: 0\nfields:\n X uint32 Value\n\n"
    text = b"OK\n 9\n" + header + b" 1\n 2\nEND 2 Disarmed\n" + header + b" 3\nEND 1 Disarmed\n"
    expected = [[header], [b" 1\n"], [b" 2\n"], [b"END 2 Disarmed\n"], [header], [b" 3\n"], [b"END 1 Disarmed\n"]]
    for size in (1, 7, len(text)):
        decoder = PandaTcpRaw()
        messages, lost = decoded(decoder, [[text[k : k + size]] for k in range(0, len(text), size)])
        assert (frames(messages), lost) == (expected, [])
        assert all(message.kind is Kind.DATA for message in messages)


def test_traces_are_gathered() -> None:
    def said(what: int, **more: Any) -> list[bytes]:
        return [json.dumps({"htype": "msg", "what": what, "frame": 0, **more}).encode()]

    begun, ended = said(1, channels=[1], ntriggers=-1, seqno=0), said(2)
    traces = [b'{"htype": "traces", "ch": 1}', b"12345678", b"x"]
    messages, lost = decoded(LecroyRaw(), [said(0), ended, begun, traces, ended, traces, ended, said(3, frames=2)])
    assert frames(messages) == [said(0), [*begun, *traces, *ended], [*begun, *traces, *ended], said(3, frames=2)]
    assert len(lost) == 1


def test_recorded_scans_are_kept(recordings: Path) -> None:
    points = recorded(recordings / "contrast-dump.cbors", ContrastRaw())
    spectra = recorded(recordings / "xspress3-dump.cbors", XspressRaw())
    assert len(points) == len(spectra) == 22
    assert {len(message.buffers) for message in spectra[1:-1]} == {3}
    assert len(recorded(recordings / "pcap-zmq.cbors", PandaZmqRaw())) == 1502
    assert len(recorded(recordings / "maui-02-continuous-3.cbor.gz", LecroyRaw())) == 4


def test_garbage_breaks_nothing() -> None:
    hostile = [[], [b""], [b"\xff"], [b"{}"], [b"[]"], [b'{"htype": []}'], [b'{"what": true}'], [b"{" * 1000]]
    for kind in (StinsRaw, ContrastRaw, XspressRaw, PandaZmqRaw, LecroyRaw):
        messages, lost = decoded(kind(), hostile)
        assert not messages
        assert lost
    with pytest.raises(RemoteProtocolError, match="a line of more than"):
        list(PandaTcpRaw().feed([b"x" * (2 << 20)], 0))
