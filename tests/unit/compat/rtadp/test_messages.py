"""rta-dp's messages have exactly the fields that its programs read, and hostile bytes do no harm."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.compat.rtadp.messages import (
    COMMANDS,
    Command,
    Configuration,
    Flow,
    Measured,
    Notice,
    NoticeKind,
    Payload,
    ProcessUse,
    decode,
    encode_command,
    encode_configuration,
    encode_data,
    encode_measured,
    encode_notice,
    payload_of,
)
from penstock.errors import RemoteProtocolError

NUMBERS = {"alarm": 2, "log": 4, "info": 5}
texts = st.text(max_size=20)
times = st.floats(0, 4e9)
whole = st.integers(-(2**53), 2**53)
scalars = st.none() | st.booleans() | whole | st.floats(allow_nan=False, allow_infinity=False) | texts
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3))


def test_a_command_has_a_header_and_nothing_else() -> None:
    assert encode_command("start", "CommandCenter", "all", time_s=1.5) == (
        b'{"header":{"type":0,"subtype":"start","time":1.5,"pidsource":"CommandCenter","pidtarget":"all",'
        b'"priority":"Low"}}'
    )


@pytest.mark.parametrize("kind", NUMBERS)
def test_notices_have_a_body_with_level_code_and_message(kind: NoticeKind) -> None:
    notice = Notice(kind=kind, pidsource="RTADP1-Rate", level=1, code=7, message="hot", time_s=2.0, priority="High")
    assert json.loads(encode_notice(notice)) == {
        "header": {
            "type": NUMBERS[kind],
            "subtype": kind,
            "time": 2.0,
            "pidsource": "RTADP1-Rate",
            "pidtarget": "*",
            "priority": "High",
        },
        "body": {"level": 1, "code": 7, "message": "hot"},
    }


def test_what_is_measured_stands_at_the_top_in_this_order() -> None:
    measured = Measured(
        workermanagerstatus="Processing", procinfo=ProcessUse(cpu_percent=5.0, memory_usage=(1, 2, 3, 4, 5, 6, 7)),
        queue_lp_size=1, queue_hp_size=2, stopdatainput=False, queue_lp_result_size=3, queue_hp_result_size=4,
        workersstatusinit=0, workersstatus=5.0, workersname="worker", worker_rates={"0": 2.5},
        worker_tot_events={"0": 2**40}, worker_status={"0": 8},
    )  # fmt: skip
    assert encode_measured(measured, "RTADP1-Rate", time_s=3.0) == (
        b'{"header":{"type":1,"time":3.0,"pidsource":"RTADP1-Rate","pidtarget":"*"},"workermanagerstatus":"Processing",'
        b'"procinfo":{"cpu_percent":5.0,"memory_usage":[1,2,3,4,5,6,7]},"queue_lp_size":1,"queue_hp_size":2,'
        b'"stopdatainput":false,"queue_lp_result_size":3,"queue_hp_result_size":4,"workersstatusinit":0,'
        b'"workersstatus":5.0,"workersname":"worker","worker_rates":{"0":2.5},"worker_tot_events":{"0":1099511627776},'
        b'"worker_status":{"0":8}}'
    )


def test_what_rta_dp_writes_is_read() -> None:
    written = (
        b'{"header": {"type": 0, "subtype": "getstatus", "time": 1732000000.25, "pidsource": "CommandCenter", '
        b'"pidtarget": "RTADP1", "priority": "Low"}}'
    )
    assert decode(written) == Command(
        subtype="getstatus", pidsource="CommandCenter", pidtarget="RTADP1", time_s=1732000000.25
    )


def test_workers_get_a_configuration_as_it_was_sent() -> None:
    written = (
        b'{"header": {"type": 3, "subtype": "config", "pidsource": "C", "pidtarget": "W"}, "config": "{\\"a\\": 1}"}'
    )
    found = decode(written)
    assert found == Configuration(pidsource="C", pidtarget="W", text=written.decode())


@given(subtype=st.sampled_from(COMMANDS), source=texts, target=texts, time_s=times, priority=texts)
def test_commands_come_back(subtype: str, source: str, target: str, time_s: float, priority: str) -> None:
    written = encode_command(subtype, source, target, time_s=time_s, priority=priority)
    expected = Command(subtype=subtype, pidsource=source, pidtarget=target, time_s=time_s, priority=priority)
    assert decode(written) == expected


@given(kind=st.sampled_from(tuple(NUMBERS)), source=texts, level=whole, code=whole, message=texts, time_s=times)
def test_notices_come_back(kind: Any, source: str, level: int, code: int, message: str, time_s: float) -> None:
    notice = Notice(kind=kind, pidsource=source, level=level, code=code, message=message, time_s=time_s)
    assert decode(encode_notice(notice)) == notice


@given(config=values, source=texts, target=texts, time_s=times)
def test_configurations_come_back(config: Any, source: str, target: str, time_s: float) -> None:
    found = decode(encode_configuration(config, source, target, time_s=time_s))
    assert isinstance(found, Configuration)
    assert (found.pidsource, found.pidtarget) == (source, target)
    assert json.loads(found.text)["config"] == config


@given(st.binary(max_size=200))
def test_bytes_are_refused_by_one_error(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        decode(data)


@given(st.dictionaries(st.sampled_from(["header", "body", "config", "x"]), values), st.data())
def test_json_that_is_nearly_a_message_is_read_or_refused(message: dict[str, Any], data: st.DataObject) -> None:
    header = {"type": 0, "subtype": "start", "pidsource": "C", "pidtarget": "all"}
    for key in data.draw(st.sets(st.sampled_from([*header, "time", "priority"]))):
        header[key] = data.draw(values)
    for written in (message, {**message, "header": header}):
        try:
            found = decode(json.dumps(written).encode())
        except RemoteProtocolError:
            continue
        assert isinstance(found, Command | Configuration | Notice | dict)


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("", "no message"),
        ("{}", "header"),
        ("[]", "object"),
        ('{"header": {}}', "type"),
        ('{"header": {"type": 0, "subtype": "start", "pidtarget": "all"}}', "pidsource"),
        ('{"header": {"type": "0", "subtype": "start", "pidsource": "C", "pidtarget": "all"}}', "int"),
        ('{"header": {"type": 0, "subtype": "", "pidsource": "C", "pidtarget": "all"}}', "subtype"),
        ('{"header": {"type": 9, "subtype": "start", "pidsource": "C", "pidtarget": "all"}}', "0 to 5"),
        ('{"header": {"type": 2, "subtype": "alarm", "pidsource": "C", "pidtarget": "all"}}', "body"),
        ('{"header": {"type": 3, "subtype": "config", "pidsource": "C", "pidtarget": "all"}}', "config"),
        ('{"header": ' * 20_000, "no message"),
        ('{"config": ' + "[" * 200_000 + "]" * 200_000 + ', "header": {}}', "no message"),
    ],
)
def test_it_is_said_why_something_is_no_message(written: str, why: str) -> None:
    with pytest.raises(RemoteProtocolError, match=why):
        decode(written.encode())


def payload(data: bytes, flow: Flow = "string", target: str = "*") -> Payload:
    return Payload(data=data, flow=flow, target=target)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"plain",
        b"\xff\x00",
        b'{"timestamp": 1.0, "data": [1, 2]}',
        b'{"header": 5}',
        b'{"header": {"type": 0, "subtype": "start", "pidsource": "C", "pidtarget": "all"}}',
        b'{"header": {"type": "data", "subtype": "picture"}, "body": "x"}',
        b'{"header": {"type": 3, "subtype": "string"}, "body": "x"}',
    ],
)
def test_what_is_no_data_message_is_data_as_it_stands(data: bytes) -> None:
    assert payload_of([data], "binary") == payload(data, "binary")


@pytest.mark.parametrize("kind", ['"data"', "6"])
def test_a_data_message_says_what_it_is_and_for_whom(kind: str) -> None:
    header = f'{{"type": {kind}, "subtype": "filename", "time": 1, "pidsource": "P", "pidtarget": "RTADP1"}}'
    written = f'{{"header": {header}, "body": "/data/1.h5"}}'.encode()
    assert payload_of([written], "string") == payload(b"/data/1.h5", "filename", "RTADP1")
    written = b'{"header": {"type": "data", "subtype": "binary", "target": "RTADP2"}}'
    assert payload_of([written, b"\x00\xff"], "string") == payload(b"\x00\xff", "binary", "RTADP2")


@given(data=st.binary(max_size=50), target=texts)
def test_binary_data_messages_come_back(data: bytes, target: str) -> None:
    written = encode_data(data, "binary", "P", target, time_s=1.0, priority="High")
    assert payload_of([written], "string") == payload(data, "binary", target)


@given(text=texts)
def test_text_data_messages_come_back(text: str) -> None:
    written = encode_data(text.encode(), "string", "P", time_s=1.0, priority="Low")
    assert payload_of([written], "binary") == payload(text.encode(), "string")


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        ([b"a", b"b"], "no header"),
        ([b"a", b"b", b"c"], "3 frames"),
        ([b'{"header": {"type": "data", "subtype": "string"}, "body": 5}'], "no text"),
        ([b'{"header": {"type": "data", "subtype": "string"}}'], "no text"),
        ([b'{"header": {"type": "data", "subtype": "binary"}, "body": "#"}'], "base64"),
    ],
)
def test_it_is_said_why_something_is_no_data_message(parts: list[bytes], why: str) -> None:
    with pytest.raises(RemoteProtocolError, match=why):
        payload_of(parts, "string")
