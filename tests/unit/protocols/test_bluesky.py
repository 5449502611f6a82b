"""Bluesky: conformance, and what its documents become."""

import json
import pickle
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np
import pytest

from penstock.core import Kind
from penstock.protocols.bluesky import BlueskyDecoder, encode_document
from penstock.testing.decoder_tests import DecoderTests, Unit, decoded

START = {"uid": "run-1", "time": 1_700_000_000.5, "scan_id": 7, "plan_name": "scan", "motors": ("x",)}
STOP = {"uid": "stop-1", "run_start": "run-1", "time": 1_700_000_009.0, "exit_status": "success"}
RESOURCE = {"uid": "res", "spec": "AD_HDF5", "root": "/data", "resource_path": "a.h5", "resource_kwargs": {}}


def descriptor(name: str = "primary") -> dict[str, Any]:
    keys = {"x": {"dtype": "number", "shape": [], "source": "sim", "units": "mm"}}
    return {"uid": f"of-{name}", "name": name, "run_start": "run-1", "time": 1_700_000_001.0, "data_keys": keys}


def event(number: int, *, of: str = "primary", filled: Any = None, **data: Any) -> dict[str, Any]:
    return {
        "uid": f"event-{number}",
        "time": 1_700_000_001.0 + number,
        "seq_num": number,
        "descriptor": f"of-{of}",
        "data": data,
        "timestamps": dict.fromkeys(data, 1_700_000_001.0),
        "filled": filled or {},
    }


def sent(*documents: tuple[str, dict[str, Any]], **how: Any) -> list[list[bytes]]:
    return [encode_document(name, document, **how) for name, document in documents]


def pickled(value: Any) -> bytes:
    return pickle.dumps(value, 4)


class TestConformance(DecoderTests):
    decoder = BlueskyDecoder
    serializer: Callable[[Any], bytes] = staticmethod(pickled)

    def scan(self) -> Sequence[Unit]:
        events = [
            sent(("descriptor", descriptor()), ("event", event(n, x=0.5 * n)), serializer=self.serializer)
            for n in (1, 2)
        ]
        start, stop = (sent(each, serializer=self.serializer) for each in (("start", START), ("stop", STOP)))
        return [start, *events, stop]


class TestMessagePack(TestConformance):
    serializer = staticmethod(msgspec.msgpack.encode)


class TestJson(TestConformance):
    serializer = staticmethod(msgspec.json.encode)


def test_an_event_says_what_it_is_of() -> None:
    packets = sent(
        ("start", START), ("descriptor", descriptor()), ("event", event(1, x=np.float64(2.5))), ("stop", STOP)
    )
    (start, point, stop), lost = decoded(BlueskyDecoder(), packets)
    assert not lost
    assert [each.kind for each in (start, point, stop)] == [Kind.START, Kind.DATA, Kind.END]
    assert (start.timestamp_ns, start.metadata) == (1_700_000_000_500_000_000, {**START, "motors": ["x"]})
    assert stop.metadata == STOP
    assert (point.key, point.timestamp_ns) == (1, 1_700_000_002_000_000_000)
    assert point.metadata["data"] == {"x": 2.5}
    assert type(point.metadata["data"]["x"]) is float
    assert (point.metadata["stream"], point.metadata["run"]) == ("primary", "run-1")
    assert point.metadata["descriptor"]["data_keys"]["x"]["units"] == "mm"


def test_a_page_is_its_events() -> None:
    page = {
        "descriptor": "of-primary",
        "uid": ["a", "b"],
        "time": [1.0, 2.0],
        "seq_num": [4, 5],
        "data": {"x": [0.5, 1.5]},
        "timestamps": {"x": [1.0, 2.0]},
        "filled": {},
    }
    messages, lost = decoded(BlueskyDecoder(), sent(("descriptor", descriptor()), ("event_page", page)))
    assert not lost
    assert [(each.key, each.metadata["uid"], each.metadata["data"]) for each in messages] == [
        (4, "a", {"x": 0.5}),
        (5, "b", {"x": 1.5}),
    ]


@pytest.mark.parametrize(
    "datum",
    [
        ("datum", {"datum_id": "res/1", "datum_kwargs": {"frame": 3}, "resource": "res"}),
        ("datum_page", {"datum_id": ["res/0", "res/1"], "datum_kwargs": {"frame": [2, 3]}, "resource": "res"}),
    ],
)
def test_an_event_names_the_file_that_its_data_lie_in(datum: tuple[str, dict[str, Any]]) -> None:
    image = event(1, image="res/1", filled={"image": False})
    packets = sent(("descriptor", descriptor()), ("resource", RESOURCE), datum, ("event", image))
    (message,), lost = decoded(BlueskyDecoder(), packets)
    assert not lost
    assert message.metadata["external"] == {
        "image": {"datum_id": "res/1", "datum_kwargs": {"frame": 3}, "resource": RESOURCE}
    }


def test_other_documents_come_with_the_next_message() -> None:
    stream_resource = {"uid": "s", "data_key": "image", "uri": "file://localhost/a.h5"}
    stream_datum = {"uid": "s/0", "stream_resource": "s", "indices": {"start": 0, "stop": 1}}
    packets = sent(
        ("descriptor", descriptor()), ("stream_resource", stream_resource), ("event", event(1)), ("event", event(2)),
        ("stream_datum", stream_datum), ("stop", STOP),
    )  # fmt: skip
    (first, second, stop), lost = decoded(BlueskyDecoder(), packets)
    assert not lost
    assert first.metadata["documents"] == [{**stream_resource, "name": "stream_resource"}]
    assert "documents" not in second.metadata
    assert stop.metadata["documents"] == [{**stream_datum, "name": "stream_datum"}]


def test_streams_that_are_not_asked_for_are_filtered() -> None:
    packets = sent(
        ("descriptor", descriptor("baseline")), ("event", event(1, of="baseline")),
        ("descriptor", descriptor()), ("event", event(1)), ("event", event(2, of="baseline")),
    )  # fmt: skip
    decoder = BlueskyDecoder()
    messages, lost = decoded(decoder, packets)
    assert ([each.metadata["stream"] for each in messages], decoder.heartbeats, lost) == (["primary"], 2, [])
    messages, _ = decoded(BlueskyDecoder(stream_name=""), packets)
    assert [each.metadata["stream"] for each in messages] == ["baseline", "primary", "baseline"]
    assert {each.key for each in messages} == {None}


def test_only_one_prefix_is_taken() -> None:
    packets = sent(("start", START), prefix="nine") + sent(("start", START), prefix="ten")
    decoder = BlueskyDecoder(prefix="ten")
    messages, lost = decoded(decoder, packets)
    assert (len(messages), decoder.heartbeats, lost) == (1, 1, [])


ARRAY = np.arange(6, dtype=np.uint16).reshape(2, 3)


def numpy_as_msgpack(value: Any) -> Any:
    """Write as msgpack-numpy does."""
    if isinstance(value, np.ndarray):
        return {b"nd": True, b"type": value.dtype.str, b"kind": b"", b"shape": value.shape, b"data": value.tobytes()}
    if isinstance(value, np.generic):
        return {b"nd": False, b"type": value.dtype.str, b"data": value.tobytes()}
    return {b"complex": True, b"data": repr(value)}


@pytest.mark.parametrize("serializer", [pickled, msgspec.msgpack.Encoder(enc_hook=numpy_as_msgpack).encode])
def test_arrays_are_buffers_by_the_names_of_their_fields(serializer: Callable[[Any], bytes]) -> None:
    point = event(1, x=np.float32(0.5), image=ARRAY, z=1 + 2j, spectrum=np.ones(4))
    (message,), lost = decoded(
        BlueskyDecoder(), sent(("descriptor", descriptor()), ("event", point), serializer=serializer)
    )
    assert not lost
    assert message.metadata["data"] == {"x": 0.5, "z": [1.0, 2.0]}
    assert message.metadata["buffers"] == ["image", "spectrum"]
    np.testing.assert_array_equal(message.array, ARRAY)
    assert message.array.dtype == np.uint16
    assert message.more[0].tolist() == [1.0] * 4
    assert not any(array.flags.writeable for array in message.buffers)


def test_what_only_python_has_is_written_in_other_words() -> None:
    start: dict[Any, Any] = {
        **START,
        "tags": {"b", "a"},
        "at": datetime(2026, 1, 2, tzinfo=UTC),
        "md": OrderedDict(k=1),
        5: 6,
    }
    (message,), lost = decoded(BlueskyDecoder(), sent(("start", start)))
    assert not lost
    assert message.metadata["tags"] == ["a", "b"]
    assert message.metadata["at"] == "2026-01-02T00:00:00+00:00"
    assert (message.metadata["md"], message.metadata["5"]) == ({"k": 1}, 6)


def test_numbers_that_json_lacks_are_read() -> None:
    packets = sent(
        ("descriptor", descriptor()),
        ("event", event(1, x=float("nan"))),
        serializer=lambda each: json.dumps(each).encode(),
    )
    (message,), lost = decoded(BlueskyDecoder(), packets)
    assert not lost
    assert np.isnan(message.metadata["data"]["x"])


class Evil:
    def __reduce__(self) -> Any:
        return eval, ("1 + 1",)


@pytest.mark.parametrize(
    ("packet", "says"),
    [
        ([b"start"], "no prefix and name"),
        ([b" begin {}"], "a document called 'begin', which Bluesky has not"),
        ([b" start []"], "the document cannot be read: DecodeError"),
        ([b" start \x90"], "of type list, no mapping"),
        ([b" start {}"], "no start as Bluesky has them: KeyError: 'uid'"),
        (encode_document("start", {**START, "time": 1e300}), r"time is 1e\+300"),
        (encode_document("event", event(1)), "descriptor of-primary, which has not come"),
        (encode_document("start", {"uid": Evil()}), "builtins.eval, which is not allowed"),
        (encode_document("start", {"uid": "x"}, lambda each: json.dumps(each).encode() + b"{"), "cannot be read"),
    ],
)
def test_what_is_no_document_is_refused(packet: list[bytes], says: str) -> None:
    with pytest.raises(Exception, match=says) as raised:
        list(BlueskyDecoder().feed(packet, 0))
    assert type(raised.value).__name__ == "RemoteProtocolError"


def test_an_event_that_is_none_is_refused_and_the_next_read() -> None:
    bad = [
        {**event(1), "seq_num": "1"},
        {**event(1), "data": []},
        {**event(1), "time": None},
        {**event(1), "seq_num": -1},
    ]
    packets = sent(("descriptor", descriptor()), *[("event", each) for each in bad], ("event", event(2)))
    messages, lost = decoded(BlueskyDecoder(), packets)
    assert [each.key for each in messages] == [2]
    assert len(lost) == 4
