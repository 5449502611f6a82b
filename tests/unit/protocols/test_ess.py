"""Records of the ESS: what the facility's own library writes is read, and nothing that is cut or damaged."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from penstock.core import Kind, Message
from penstock.errors import RemoteProtocolError
from penstock.protocols.ess import EssDecoder
from penstock.testing import DecoderTests
from penstock.testing.decoder_tests import Unit

types: Any = pytest.importorskip("streaming_data_types", reason="needs pip install ess-streaming-data-types")
from streaming_data_types.area_detector_ad00 import Attribute, serialise_ad00  # noqa: E402
from streaming_data_types.eventdata_ev44 import serialise_ev44  # noqa: E402
from streaming_data_types.logdata_f144 import serialise_f144  # noqa: E402
from streaming_data_types.run_start_pl72 import serialise_pl72  # noqa: E402
from streaming_data_types.run_stop_6s4t import serialise_6s4t  # noqa: E402
from streaming_data_types.status_x5f2 import serialise_x5f2  # noqa: E402

PULSE_NS = 1_795_176_000_000_000_000
START_MS = PULSE_NS // 1_000_000
IMAGE = np.arange(12, dtype=np.uint16).reshape(3, 4)


def neutrons(number: int) -> bytes:
    pulses = [PULSE_NS + number, PULSE_NS + number + 71_428_571]
    return bytes(serialise_ev44("detector", number, pulses, [0, 2], [100, 200, 300], [7, 8, 9]))


def start() -> bytes:
    return bytes(
        serialise_pl72("job-1", "run.nxs", START_MS, None, "run 1", "{}", "writer", "LOKI", "kafka:9092", '{"a": 1}')
    )


def end() -> bytes:
    return bytes(serialise_6s4t("job-1", "run 1", "writer", "stop", START_MS + 5000))


def decoded(record: bytes) -> Message:
    (message,) = EssDecoder().feed([record], 5)
    return message


class TestEss(DecoderTests):
    decoder = EssDecoder

    def scan(self) -> Sequence[Unit]:
        attributes = [Attribute("gain", "", "", 3), Attribute("name", "what it is", "camera", "left")]
        records = [
            start(), neutrons(0), neutrons(1), bytes(serialise_f144("motor", 1.5, PULSE_NS)),
            bytes(serialise_ad00("camera", 4, PULSE_NS, IMAGE, attributes)), end(),
        ]  # fmt: skip
        return [[[record]] for record in records]


def test_neutrons_of_pulses() -> None:
    message = decoded(neutrons(3))
    assert (message.key, message.timestamp_ns) == (3, PULSE_NS + 3)
    assert message.metadata["source"] == "detector"
    assert [buffer.tolist() for buffer in message.buffers] == [
        [100, 200, 300], [7, 8, 9], [PULSE_NS + 3, PULSE_NS + 3 + 71_428_571], [0, 2]
    ]  # fmt: skip
    assert [buffer.dtype.str for buffer in message.buffers] == ["<i4", "<i4", "<i8", "<i4"]


def test_a_monitor_has_no_pixels_and_a_pulse_may_be_empty() -> None:
    monitor = decoded(serialise_ev44("monitor", 0, [PULSE_NS], [0], [5, 6], []))
    empty = decoded(serialise_ev44("detector", 1, [PULSE_NS], [0], [], []))
    assert [len(buffer) for buffer in monitor.buffers] == [2, 0, 1, 1]
    assert [len(buffer) for buffer in empty.buffers] == [0, 0, 1, 1]
    assert decoded(serialise_ev44("detector", 1, [], [], [], [])).timestamp_ns == 5


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"])
def test_values_of_every_type(dtype: str) -> None:
    value = np.array(3, dtype)
    scalar = decoded(serialise_f144("motor", value, 7))
    array = decoded(serialise_f144("motor", np.array([1, 0, 3], dtype), 7))
    assert (scalar.metadata["value"], scalar.timestamp_ns, scalar.array) == (3, 7, None)
    assert (array.array.tolist(), array.array.dtype) == ([1, 0, 3], np.dtype(dtype))
    assert decoded(serialise_f144("motor", np.array(0, dtype))).metadata["value"] == 0


def test_an_image_with_attributes() -> None:
    attributes = [Attribute("gain", "", "", 2.5), Attribute("name", "", "", "left"), Attribute("roi", "", "", IMAGE[0])]
    message = decoded(serialise_ad00("camera", 9, PULSE_NS, IMAGE, attributes))
    assert (message.key, message.timestamp_ns) == (9, PULSE_NS)
    assert np.array_equal(message.array, IMAGE)
    assert message.array.dtype == np.uint16
    said = {name: value for name, value in message.metadata.items() if name != "roi"}
    assert said == {"gain": 2.5, "name": "left", "schema": "ad00", "source": "camera"}
    assert message.metadata["roi"].tolist() == IMAGE[0].tolist()


def test_a_run_begins_and_ends() -> None:
    begun, ended = decoded(start()), decoded(end())
    assert (begun.kind, begun.timestamp_ns) == (Kind.START, PULSE_NS)
    assert (ended.kind, ended.timestamp_ns) == (Kind.END, PULSE_NS + 5_000_000_000)
    said = ("job_id", "run_name", "instrument_name", "filename", "metadata", "service_id", "broker")
    assert [begun.metadata[name] for name in said] == [
        "job-1", "run 1", "LOKI", "run.nxs", '{"a": 1}', "writer", "kafka:9092"
    ]  # fmt: skip
    assert (ended.metadata["job_id"], ended.metadata["command_id"]) == ("job-1", "stop")


@pytest.mark.parametrize(
    ("record", "says"),
    [
        (serialise_x5f2("a", "1", "b", "c", 1, 1000, "{}"), "schema 'x5f2' is none of 6s4t, ad00, ev44, f144, pl72"),
        (serialise_ev44("d", 0, [1], [0], [1, 2], [7]), "1 pixels for 2 times of flight"),
        (serialise_ev44("d", 0, [1], [3], [1, 2], [7, 8]), r"1 pulses that begin at \[3\] of 2 events"),
        (serialise_ev44("d", -1, [1], [0], [1], [7]), "its number is -1"),
        (serialise_ad00("c", 1, 1, "text"), "its data are of type 10, which is no number"),
        (serialise_pl72("j", "f", 2**62), "ms since 1970 is no time"),
    ],
)
def test_what_cannot_be_is_refused(record: bytes, says: str) -> None:
    with pytest.raises(RemoteProtocolError, match=says):
        decoded(record)
