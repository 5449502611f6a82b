"""What users' modules import: packets of each instrument become frames and packets again; pickles run nothing."""

import importlib
import pickle
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock.compat.dranspose.dumps import read_dump
from penstock.compat.dranspose.namespace import serve_dranspose
from penstock.compat.dranspose.served.data.contrast import ContrastFinished, ContrastRunning, ContrastStarted
from penstock.compat.dranspose.served.data.lecroy import LECROY_TYPE
from penstock.compat.dranspose.served.data.pcap import PCAPData, PCAPEnd, PCAPStart
from penstock.compat.dranspose.served.data.positioncap import (
    PositionCapEnd,
    PositionCapField,
    PositionCapStart,
    PositionCapValues,
)
from penstock.compat.dranspose.served.data.sardana import SardanaRecordData
from penstock.compat.dranspose.served.data.stream1 import Stream1Data, Stream1End, Stream1Start
from penstock.compat.dranspose.served.data.xspress3 import XspressEnd, XspressImage, XspressStart
from penstock.compat.dranspose.served.event import EventData, InternalWorkerMessage, StreamData, frame_of
from penstock.compat.dranspose.served.middlewares import contrast, eiger_legacy, lecroy, pcap, sardana, stream1, xspress
from penstock.compat.dranspose.served.middlewares.positioncap import PositioncapParser
from penstock.compat.dranspose.served.parameters import (
    BinaryParameter,
    BoolParameter,
    FloatParameter,
    IntParameter,
    ParameterBase,
    StrParameter,
)
from penstock.errors import RemoteProtocolError

PIXELS = np.arange(12, dtype=np.uint16).reshape(3, 4)
NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def test_the_names_that_users_import_are_ours() -> None:
    serve_dranspose()
    module = importlib.import_module("dranspose.middlewares.stream1")
    assert module.parse is stream1.parse
    event = importlib.import_module("dranspose.event")
    assert event.EventData is EventData
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("dranspose.controller")


@pytest.mark.parametrize(
    ("packet", "parse"),
    [
        (Stream1Start(filename="a.h5", msg_number=0, extra=[1]), stream1.parse),
        (Stream1End(msg_number=3), stream1.parse),
        (ContrastStarted(path="/d", scannr=2, description="mesh", snapshot={"sx": 1.5}), contrast.parse),
        (ContrastFinished(path="/d", scannr=2, description="mesh"), contrast.parse),
        (XspressStart(filename="x"), xspress.parse),
        (XspressEnd(), xspress.parse),
        (PCAPStart(message_id=1, arm_time=NOW), pcap.parse),
        (PCAPData(message_id=2, frame_number=5, energy=8879.1), pcap.parse),
        (PCAPEnd(message_id=3), pcap.parse),
        (SardanaRecordData(timestamp=1.5, point_nb=3), sardana.parse),
    ],
)
def test_a_packet_comes_back(packet: Any, parse: Any) -> None:
    assert parse(packet.to_stream_data()) == packet


def test_arrays_come_back() -> None:
    image = Stream1Data(msg_number=1, frame=0, shape=PIXELS.shape, type="uint16", compression="none", data=PIXELS)
    stream = image.to_stream_data()
    assert (stream.typ, stream.length) == ("STINS", 2)
    large = StreamData(typ="STINS", frames=[stream.frames[0], np.frombuffer(stream.frames[1], np.uint8)])
    for each in (stream, large):
        np.testing.assert_array_equal(stream1.parse(each).data, PIXELS)  # type: ignore[union-attr]
    scalers = {"ocr": np.array([0.5, 1.0]), "AllEvents": np.array([2, 3], np.uint32)}
    spectrum = XspressImage(frame=0, shape=PIXELS.shape, exptime=0.1, type="uint16", data=PIXELS, meta=scalers)
    found: Any = xspress.parse(spectrum.to_stream_data())
    np.testing.assert_array_equal(found.data, PIXELS)
    np.testing.assert_array_equal(found.meta["AllEvents"], [2, 3])
    point: Any = contrast.parse(ContrastRunning(dt=0.4, pseudo={"x": np.array([1.5])}).to_stream_data())
    assert point.pseudo["x"][0] == 1.5


def test_a_compressed_image_stays_as_it_came() -> None:
    image = Stream1Data(msg_number=1, frame=0, shape=[3, 4], type="uint16", compression="bslz4", data=PIXELS)
    assert "data" not in (stream1.parse(image.to_stream_data()).model_extra or {})


def test_a_pandabox_header_replaces_the_one_before() -> None:
    parser = PositioncapParser()
    with pytest.raises(ValueError, match="names 0 fields"):
        parser.parse(StreamData(typ="PCAP_RAW", frames=[b" 1 2\n"]))
    fields = [
        PositionCapField(name="PCAP.BITS0.Value", type="uint32"),
        PositionCapField(name="X.VAL.Mean", type="double"),
    ]
    for names in (fields, fields[1:]):
        assert parser.parse(PositionCapStart(arm_time=NOW).to_stream_data(names)).arm_time == NOW.replace(tzinfo=None)  # type: ignore[union-attr]
        values = PositionCapValues(fields={field.name: field.parse("7") for field in names})
        assert parser.parse(values.to_stream_data()) == values
        assert isinstance(parser.parse(PositionCapEnd().to_stream_data()), PositionCapEnd)


def test_a_sequence_of_traces_is_read() -> None:
    traces = np.arange(6.0).reshape(2, 3)
    begun = b'{"htype": "msg", "what": 1, "frame": 0, "ntriggers": -1, "seqno": 0, "channels": [2]}'
    meta = (
        b'{"htype": "traces", "ch": 2, "ts": 1.5, "frame": 0, "shape": [2, 3], "horiz_offset": 0.0, '
        b'"horiz_interval": 1e-11, "dtype": "float64"}'
    )
    frames = [begun, meta, traces.tobytes(), pickle.dumps([1.0, 2.0]), b'{"htype": "msg", "what": 2, "frame": 2}']
    found: Any = lecroy.parse(StreamData(typ=LECROY_TYPE, frames=frames))
    np.testing.assert_array_equal(found.data[0], traces)
    assert found.timestamps == [[1.0, 2.0]]
    with pytest.raises(ValueError, match="5 would be right"):
        lecroy.parse(StreamData(typ=LECROY_TYPE, frames=frames[:4]))


def test_an_eiger_image_keeps_its_bytes() -> None:
    frames = [
        b'{"htype":"dimage-1.0","series":1,"frame":0,"hash":"x"}',
        b'{"shape":[2,2],"type":"uint32"}',
        b"abc",
        b"{}",
        b"{}",
    ]
    found: Any = eiger_legacy.parse(StreamData(typ="EIGER_LEGACY", frames=frames))
    assert found.data == {"shape": [2, 2], "type": "uint32", "buffer": b"abc"}


def test_a_pickle_that_would_run_something_is_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="system"):
        contrast.parse(StreamData(typ="contrast", frames=[b"cos\nsystem\n(S'true'\ntR."]))
    with pytest.raises(ValueError, match="is given to parse for 'contrast'"):
        contrast.parse(StreamData(typ="STINS", frames=[b""]))


@pytest.mark.parametrize(
    ("parameter", "value", "wrong"),
    [
        (StrParameter(name="p"), "a ü", b"\xff"),
        (BinaryParameter(name="p"), b"\0", None),
        (IntParameter(name="p"), -5, b"1.5"),
        (FloatParameter(name="p"), 1e-9, b"1,5"),
        (FloatParameter(name="p"), 0.0, b"nan"),
        (BoolParameter(name="p"), True, b"yes"),
        (BoolParameter(name="p"), False, b""),
    ],
)
def test_a_parameter_is_written_and_read(parameter: ParameterBase, value: Any, wrong: bytes | None) -> None:
    assert parameter.from_bytes(parameter.to_bytes(value)) == value
    if wrong is not None:
        with pytest.raises(ValueError, match=r"\w"):
            parameter.from_bytes(wrong)


def test_events_are_put_together() -> None:
    parts = [InternalWorkerMessage(event_number=3, streams={name: StreamData(typ=name, frames=[])}) for name in "ab"]
    assert list(EventData.from_internals(parts).streams) == ["a", "b"]
    with pytest.raises(ValueError, match="more than one ingester"):
        EventData.from_internals([parts[0], parts[0]])
    parts[1].event_number = 4
    with pytest.raises(ValueError, match=r"\[3, 4\]"):
        EventData.from_internals(parts)


def test_a_frame_has_what_frames_of_zeromq_have() -> None:
    for size in (0, 10, 1 << 17):
        frame = frame_of(np.zeros(size, np.uint8))
        assert len(frame) == size
        assert frame.bytes == bytes(frame.buffer) == bytes(memoryview(frame)) == bytes(size)


def test_the_recorded_dump_is_read(recordings: Path) -> None:
    events = list(read_dump(recordings / "dump_xrd.cbors"))
    assert [event.event_number for event in events] == list(range(11))
    packets: list[Any] = [stream1.parse(event.streams["xrd"]) for event in events]
    assert packets[0].filename == "output/xrd.h5"
    assert [packet.data.shape for packet in packets[1:-1]] == [(10, 10)] * 9
    assert packets[1].data.sum() == 991
