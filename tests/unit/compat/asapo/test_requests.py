"""What ASAPO's clients ask for over HTTP, as values, and their bytes cut into requests."""

from contextlib import suppress
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.compat.asapo import requests as ask
from penstock.compat.asapo.http import HttpReader
from penstock.compat.asapo.request_reading import read_request
from penstock.errors import PenstockError, RemoteProtocolError, StreamError

BASE = "/v0.7/beamtime/bt/det"
IDS = "token=T&instanceid=host_1&pipelinestep=DefaultStep"
RESEND = "resend_nacks=true&delay_ms=5&resend_attempts=3"
OF = ("T", "bt", "det", False, "s")


@pytest.mark.parametrize(
    ("method", "target", "body", "found"),
    [
        ("GET", f"{BASE}/s/g/next?{IDS}&id_key=_id", b"", ask.GetNext(*OF, "g", True, None, None)),
        (
            "GET", f"{BASE}/s/g/next?{IDS}&dataset=true&minsize=2&substream=0&{RESEND}&id_key=time_id",
            b"", ask.GetNext(*OF, "g", False, ask.Parts(2, 0), ask.Resend(5, 3)),
        ),
        ("GET", f"{BASE}/s/0/next?{IDS}&id_key=_id", b"", ask.GetNext(*OF, "0", True, None, None)),
        ("GET", f"{BASE}/s/0/last?{IDS}&id_key=_id", b"", ask.GetLast(*OF, "", None)),
        ("GET", f"{BASE}/s/g/groupedlast?{IDS}&id_key=_id", b"", ask.GetLast(*OF, "g", None)),
        ("GET", f"{BASE}/s/0/7?token=T", b"", ask.GetById(*OF, 7, None)),
        ("GET", f"{BASE}/s/size?token=T", b"", ask.AskSize(*OF, None)),
        ("GET", f"{BASE}/s/size?token=T&incomplete=false", b"", ask.AskSize(*OF, False)),
        (
            "GET", f"{BASE}/0/streams?token=T&from=a%2Fb&filter=finished&detailed=true", b"",
            ask.AskStreams(*OF[:4], "a/b", "finished", False, False),
        ),
        ("GET", f"{BASE}/0/sources?token=T", b"", ask.AskSources(*OF[:4])),
        ("GET", f"{BASE}/default/0/meta/0?token=T&instanceid=auto", b"", ask.AskMetadata("T", "bt", "det", True, "")),
        ("GET", f"{BASE}/s/0/meta/1?token=T", b"", ask.AskMetadata(*OF)),
        ("POST", f"{BASE}/s/g/7?token=T", b'{"Op":"ackmessage"}', ask.Acknowledge(*OF, "g", 7)),
        ("POST", f"{BASE}/s/g/7?token=T", b'{"Op":"negackmessage","Params":{"DelayMs":9}}', ask.Refuse(*OF, "g", 7, 9)),
        ("GET", f"{BASE}/s/g/nacks?token=T&from=2&to=0", b"", ask.AskAcknowledged(*OF, "g", 2, 0)),
        ("GET", f"{BASE}/s/g/lastack?token=T", b"", ask.AskLastAcknowledged(*OF, "g")),
        ("POST", f"{BASE}/s/g/resetcounter?token=T&value=4", b"", ask.ResetCounter(*OF, "g", 4)),
        ("POST", f"{BASE}/s/0/querymessages?token=T", b"_id > 1", ask.Query(*OF, "_id > 1")),
        ("POST", f"{BASE}/s/delete?token=T", b'{"ErrorOnNotExist":false,"DeleteMeta":true}', ask.Delete(*OF, False)),
        ("POST", f"{BASE}/s/persist?token=T", b"", ask.Persist(*OF)),
        ("POST", "/v0.7/creategroup?token=T", b"", ask.NewGroup("T")),
        ("GET", "/asapo-discovery/v0.1/asapo-receiver?protocol=v0.7", b"", ask.AskService("", "asapo-receiver")),
        (
            "GET", "/asapo-discovery/v0.1/version?token=T&client=consumer&protocol=v0.7", b"",
            ask.AskVersion("T", "consumer"),
        ),
        (
            "POST", "/asapo-authorizer/v0.2/folder?token=T", b'{"Folder":"auto","BeamtimeId":"bt","Token":"T"}',
            ask.FolderToken("T", "bt", "auto"),
        ),
        (
            "POST", "/v0.2/transfer?token=T&stream=a%20b&sizeonly=true", b'{"Folder":"auto","FileName":"raw/x"}',
            ask.Transfer("T", "a b", "raw/x", True),
        ),
    ],
)  # fmt: skip
def test_every_request_of_a_client_is_understood(method: str, target: str, body: bytes, found: ask.Request) -> None:
    assert read_request(method, target, body) == found


@given(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8),
    st.text(min_size=1, max_size=5).filter(str.isprintable),
)
def test_names_of_any_characters_are_decoded_once(stream: str, group: str) -> None:
    target = f"{BASE}/{quote(stream, safe='')}/x{quote(group, safe='')}/next?token=a+b"
    found = read_request("GET", target, b"")
    assert isinstance(found, ask.GetNext)
    assert (found.stream, found.group, found.token) == (stream, f"x{group}", "a+b")


@pytest.mark.parametrize(
    ("target", "error"),
    [
        ("/", ask.UnknownTargetError),
        ("/v0.6/beamtime/bt/det/s/g/next", ask.UnknownTargetError),
        (f"{BASE}/s/g/other", ask.UnknownTargetError),
        (f"{BASE}/s/g/next/more", ask.UnknownTargetError),
        ("/asapo-discovery/v0.1/other?protocol=v0.7", ask.UnknownTargetError),
        ("/asapo-discovery/v0.1/asapo-broker", StreamError),
        ("/asapo-discovery/v0.1/asapo-broker?protocol=v0.6", ask.OtherProtocolError),
        (f"{BASE}/s/next", StreamError),
        (f"{BASE}/s/0/0", StreamError),
        (f"{BASE}/s/0/99999999999999999999", StreamError),
        (f"{BASE}/{'s' * 101}/g/next", StreamError),
        (f"{BASE}/{'%20' * 34}/g/next", StreamError),
        (f"{BASE}/s/{'g' * 51}/next", StreamError),
        (f"{BASE}/%FF/g/next", StreamError),
        (f"{BASE}/s/g/next?dataset=true&minsize=-1", StreamError),
    ],
)
def test_what_nobody_can_ask_is_refused(target: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        read_request("GET", target, b"")


@given(st.text(max_size=100), st.binary(max_size=100))
def test_any_target_and_body_are_read_or_refused(target: str, body: bytes) -> None:
    for method, prefix in (("GET", ""), ("POST", f"{BASE}/s/g/1?"), ("POST", "/v0.2/transfer?")):
        with suppress(PenstockError):
            assert isinstance(read_request(method, prefix + target, body), ask.Request)


WHOLE = (
    b"GET /a?b=1 HTTP/1.1\r\nHost: h\r\nAccept: */*\r\nCookie: Authorization=Bearer x\r\n\r\n",
    b"POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\nbody",
    b"POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n",
)


@given(st.lists(st.integers(1, 400), max_size=12))
def test_requests_are_the_same_however_their_bytes_are_cut(cuts: list[int]) -> None:
    reader, sent, found = HttpReader(), b"".join(WHOLE), []
    at = 0
    for size in [*cuts, len(sent)]:
        found += list(reader.feed(sent[at : at + size]))
        at += size
    assert [(one.method, one.target, one.body) for one in found] == [
        ("GET", "/a?b=1", b""), ("POST", "/b", b"body"), ("POST", "/c", b"body"),
    ]  # fmt: skip
    assert found[0].cookie == "Authorization=Bearer x"


def test_who_waits_for_it_is_told_to_go_on() -> None:
    reader = HttpReader()
    assert list(reader.feed(WHOLE[1][:-4])) == []
    assert reader.wants_continue
    assert [one.body for one in reader.feed(b"body")] == [b"body"]
    assert not reader.wants_continue


@pytest.mark.parametrize(
    "data",
    [
        b"\0\1\2garbage\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\n\r\n",
        b"GET /" + b"a" * 40_000,
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 10_000,
        b"POST / HTTP/1.1\r\nContent-Length: 2000000\r\n\r\n" + b"x" * 1_100_000,
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    ],
    ids=range(6),
)
def test_what_is_no_http_or_too_much_is_refused(data: bytes) -> None:
    reader = HttpReader()
    with pytest.raises(RemoteProtocolError):
        [list(reader.feed(data[at : at + 50_000])) for at in range(0, len(data), 50_000)]
