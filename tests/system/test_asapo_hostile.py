"""ASAPO's services among peers that send garbage, huge sizes or half of things, are slow, too many, or not allowed.

Whatever one does, it is refused and the others are served; nothing of it is stored, and no secret is told.
"""

import json
import os
import resource
import socket
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock.compat.asapo.beamtimes import Places
from penstock.compat.asapo.server import AsapoServer
from penstock.core.stream_address import StreamAddress
from penstock.services.stream_tokens import Scope, Tokens
from penstock.streams.directory import DirectoryStore
from penstock.streams.memory_store import MemoryStore
from penstock.streams.store import StreamInfo
from penstock.testing.hostile import GARBAGE, JSON
from tests.system.asapo_peer import HEADER_BYTES, LONGEST_S, Peer, hello, packed
from tests.system.commands import started

KEY = "0123456789abcdef0123456789abcdef"
SECOND = 0.5
RUN = StreamAddress("bt", "det", "run")
HUGE = (1 << 64) - 1
_IDS = count(1)


class Counting(MemoryStore):
    """A store that counts how often it is asked for all its streams."""

    listed = 0

    def streams(self, within: StreamAddress | None = None) -> Sequence[StreamInfo]:
        self.listed += 1
        return super().streams(within)


@pytest.fixture(scope="module")
def store() -> Iterator[Counting]:
    with Counting() as store:
        yield store


@pytest.fixture(scope="module")
def server(store: Counting) -> Iterator[AsapoServer]:
    """A server without tokens, patient with who has begun something."""
    with AsapoServer(store) as server:
        yield server


@pytest.fixture(scope="module")
def tokens() -> Tokens:
    return Tokens(KEY.encode())


@pytest.fixture(scope="module")
def guarded(store: Counting, tokens: Tokens) -> Iterator[AsapoServer]:
    """A server that wants tokens, over the same store."""
    with AsapoServer(store, tokens=tokens) as server:
        yield server


def token_of(tokens: Tokens, *scopes: str, lasts_s: float | None = None) -> str:
    return tokens.issue("somebody", [Scope.parse(scope) for scope in scopes], lasts_s=lasts_s)


def assert_serves(server: AsapoServer, token: str = "") -> None:
    """An honest producer sends, and an honest consumer reads it, on new connections."""
    number, stream = next(_IDS), f"honest {server.address}".replace(":", "-")
    with Peer(server.address) as producer, Peer(server.address) as consumer:
        assert producer.greet(token) == (0, "")
        assert producer.send(number, b"honest", stream=stream.encode()) == (0, "")
        record = consumer.record(number, token, stream.replace(" ", "%20"))
        assert record["size"] == 6
    with Peer(server.address) as reader:
        reader.say(packed(6, record["buf_id"], 6, mode=13, name=b"", version=b"v0.1"))
        assert reader.reply()[0] == 0
        assert reader.exactly(6) == b"honest"


# --- garbage


@pytest.mark.parametrize("data", [*GARBAGE.values(), *JSON.values()], ids=[*GARBAGE, *JSON])
def test_garbage_costs_nobody_else_anything(server: AsapoServer, data: bytes) -> None:
    with ExitStack() as stack:
        for before in (
            b"",
            hello(),
            hello() + packed(size=1 << 20),
            hello()[:100],
            b"POST /v0.2/transfer HTTP/1.1\r\n",
        ):
            peer = stack.enter_context(Peer(server.address))
            peer.say(before + data)
        assert_serves(server)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.binary(min_size=1, max_size=64),
    at=st.integers(0, HEADER_BYTES - 1),
    is_known=st.booleans(),
    follows=st.binary(max_size=300),
)
def test_no_header_breaks_the_server(server: AsapoServer, data: bytes, at: int, is_known: bool, follows: bytes) -> None:
    header = bytearray(packed(number=next(_IDS) + (1 << 40), size=100, meta_size=2, stream=b"fuzz"))
    header[at : at + len(data)] = data
    with Peer(server.address) as peer:
        if is_known:
            assert peer.greet() == (0, "")
        peer.say(bytes(header[:HEADER_BYTES]) + b"{}" + follows)
        peer.socket.shutdown(socket.SHUT_WR)
        assert peer.is_closed_by_the_other()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    target=st.text(st.sampled_from("/%2FA.abt0v7beamtime?&=\u00e9\n \0"), max_size=60),
    body=st.binary(max_size=60),
)
def test_no_request_breaks_the_server(server: AsapoServer, target: str, body: bytes) -> None:
    with Peer(server.address) as peer:
        peer.say(f"POST /v0.7/{target} HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        peer.socket.shutdown(socket.SHUT_WR)
        status, answer = peer.answer()
        assert status in (0, 200, 400, 404, 409), (status, answer)


@pytest.mark.parametrize(
    "header",
    [
        packed(2, meta_size=HUGE),
        packed(2, size=HUGE),
        packed(2, size=1 << 62),
        packed(3, size=(2 << 30) + 1, part=1, parts=1),
        packed(8, size=1 << 30, part=12, name=b"run.meta"),
        packed(7, meta_size=1 << 40),
        packed(6, 1, HUGE),
        packed(99),
        packed(4),
        packed(name=b"x" * 1024),
        packed(stream=b"x" * 1024),
        packed(name=b"\xff\xfe"),
        packed(stream=b"\xff"),
        packed(stream=b""),
        packed(mode=0),
        packed(mode=HUGE),
        packed(3, part=0, parts=0),
        packed(3, part=1, parts=HUGE),
        packed(3, part=HUGE, parts=HUGE),
        packed(3, number=0, part=1, parts=2),
        packed(8, part=99, size=2, name=b"run.meta"),
        packed(number=0, mode=2, name=b"asapo_finish_stream"),
        packed(number=HUGE, mode=2, name=b"asapo_finish_stream"),
        packed(stream=b"run [part 1]"),
        packed(stream=b"x" * 1000),
    ],
)
def test_a_header_that_asks_for_too_much_is_refused_before_anything_is_taken(
    server: AsapoServer, store: Counting, header: bytes
) -> None:
    before = {info.address: info.count for info in store.streams()}
    with Peer(server.address) as peer:
        assert peer.greet() == (0, "")
        peer.say(header)
        if header[0] != 6:
            payload = struct.unpack_from("<Q", header, 16)[0]
            if payload == 2:
                peer.say(b"{}")
            code, text = peer.reply()
            assert code in (3, 6), (code, text)
            assert text
        else:
            assert peer.reply()[0] in (-1, 3, 5)
    assert {info.address: info.count for info in store.streams()} == before
    assert_serves(server)


@pytest.mark.parametrize(
    "meta", [*JSON.values(), b'{"a":1e999}', b'{"a":' + b"9" * 400 + b"}", b'{"a":18446744073709551616}']
)
def test_metadata_that_is_none_is_refused(server: AsapoServer, store: Counting, meta: bytes) -> None:
    with Peer(server.address) as peer:
        peer.greet()
        code, text = peer.send(next(_IDS), b"", meta, stream=b"metadata")
        is_object = meta.startswith(b"{") and code == 0
        assert code == 3 or is_object
        assert text or is_object
        if code == 0:
            (stored,) = store.read(StreamAddress("bt", "det", "metadata")).get(
                store.info(StreamAddress("bt", "det", "metadata")).last_id
            )
            assert json.loads(meta).items() <= dict(next(stored.messages()).metadata).items()
    assert_serves(server)


def test_the_largest_ids_leave_no_room_and_break_nothing(server: AsapoServer) -> None:
    with Peer(server.address) as peer:
        peer.greet()
        assert peer.send(HUGE, stream=b"ids")[0] in (0, 3)
        code, text = peer.send(0, stream=b"ids")
        assert code in (0, 3), (code, text)
    with Peer(server.address) as peer:
        for target in (f"0/{HUGE}", f"0/{1 << 70}", "0/-1", "g/next", "0/last", "size"):
            status, body = peer.ask(f"/v0.7/beamtime/bt/det/ids/{target}?token=&id_key=_id")
            assert status in (200, 400, 404, 409), (target, status, body)
    assert_serves(server)


@pytest.mark.parametrize("delay", ["-1", "99999999999999999999", "1e3", '"1"', "null", str((1 << 63) - 1)])
def test_a_delay_that_is_none_spoils_no_group(server: AsapoServer, delay: str) -> None:
    with Peer(server.address) as peer:
        peer.greet()
        stream = f"delays{next(_IDS)}"
        assert peer.send(1, stream=stream.encode()) == (0, "")
    with Peer(server.address) as peer:
        group = f"/v0.7/beamtime/bt/det/{stream}/g"
        said = f'{{"Op":"negackmessage","Params":{{"DelayMs":{delay}}}}}'.encode()
        assert peer.ask(f"{group}/1?token=", said)[0] == 400
        resend = f"resend_nacks=true&delay_ms={delay}&resend_attempts=1"
        assert peer.ask(f"{group}/next?token=&instanceid=auto&{resend}")[0] == 400
        status, body = peer.ask(f"{group}/next?token=&instanceid=auto")
        assert (status, json.loads(body)["_id"]) == (200, 1)


# --- half of things


def test_what_is_cut_off_is_not_stored(server: AsapoServer, store: Counting) -> None:
    whole = hello() + packed(number=7, size=300_000, meta_size=9, stream=b"cut") + b'{"a": 12}' + bytes(300_000)
    for length in (
        1,
        HEADER_BYTES - 1,
        HEADER_BYTES,
        len(hello()),
        2 * HEADER_BYTES,
        len(whole) - 300_000,
        len(whole) - 1,
    ):
        with Peer(server.address) as peer:
            peer.say(whole[:length])
            peer.socket.shutdown(socket.SHUT_WR)
            assert peer.is_closed_by_the_other()
    assert store.info(StreamAddress("bt", "det", "cut")).count == 0
    with Peer(server.address) as peer:
        peer.greet()
        assert peer.send(7, b"whole", stream=b"cut") == (0, "")
    for text in ("GET /v0.7/crea", "POST /v0.2/transfer HTTP/1.1\r\nContent-Length: 100\r\n\r\nhalf"):
        with Peer(server.address) as peer:
            peer.say(text.encode())
            peer.socket.shutdown(socket.SHUT_WR)
            assert peer.is_closed_by_the_other()
    assert_serves(server)


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"GET /v0.7/cr",
        b"POST /v0.2/transfer HTTP/1.1\r\nContent-Length: 100\r\n\r\nhalf",
        hello()[:500],
        hello() + packed(size=1000) + b"half",
        hello() + packed(size=0, meta_size=1000) + b"{",
    ],
    ids=["nothing", "target", "body", "hello", "payload", "metadata"],
)
def test_who_is_slow_is_dropped(store: Counting, tokens: Tokens, begun: bytes) -> None:
    token = token_of(tokens, "write:bt")
    with AsapoServer(store, tokens=tokens, hello_s=SECOND, stall_s=SECOND) as server, Peer(server.address) as peer:
        stop = threading.Event()
        peer.say(begun.replace(hello(), hello(token)))

        def drip() -> None:
            while not stop.wait(SECOND / 5):
                try:
                    peer.say(b" ")
                except OSError:
                    return

        dripping = threading.Thread(target=drip)
        if begun:
            dripping.start()
        assert_serves(server, token_of(tokens, "admin:bt"))
        assert peer.is_closed_by_the_other()
        stop.set()
        if begun:
            dripping.join()


def test_who_announces_much_and_sends_nothing_keeps_nobody_waiting(server: AsapoServer) -> None:
    with ExitStack() as stack:
        for _ in range(8):
            peer = stack.enter_context(Peer(server.address))
            peer.greet()
            peer.say(packed(number=next(_IDS), size=2 << 30, stream=b"giants") + b"a few bytes")
        assert_serves(server)


def test_who_asks_and_does_not_read_keeps_nobody_waiting(tmp_path: Path) -> None:
    size, peers = 8 << 20, 20
    with DirectoryStore(tmp_path / "store", make=True) as store, AsapoServer(store) as server, ExitStack() as stack:
        producer = stack.enter_context(Peer(server.address))
        producer.greet()
        assert producer.send(1, bytes(size), stream=b"large")[0] == 0
        record = stack.enter_context(Peer(server.address)).record(1, stream="large")
        ask = packed(6, record["buf_id"], size, mode=13, name=b"", version=b"v0.1")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for _ in range(peers):
            peer = stack.enter_context(Peer(server.address))
            peer.socket.setblocking(False)
            with suppress(BlockingIOError):
                for _ in range(1000):
                    peer.socket.send(ask)
        assert_serves(server)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        assert grown < peers * (size >> 10), "what they ask for is kept in memory more than once"


@pytest.mark.parametrize("size", [1000, 64 << 20])
def test_a_file_that_is_cut_while_it_is_sent_costs_its_reader_the_connection(tmp_path: Path, size: int) -> None:
    file = tmp_path / "bt/processed/a"
    file.parent.mkdir(parents=True)
    with file.open("wb") as opened:
        opened.truncate(size)
    places = Places(offline=f"{tmp_path}/{{beamtime}}")
    with MemoryStore() as store, AsapoServer(store, places=places) as server:
        with Peer(server.address) as peer:
            body = b'{"Folder":"auto","BeamtimeId":"bt","Token":""}'
            status, token = peer.ask("/asapo-authorizer/v0.2/folder?token=", body)
            assert status == 200
            body = b'{"Folder":"auto","FileName":"processed/a"}'
            head = f"POST /v0.2/transfer?token= HTTP/1.1\r\nCookie: Authorization=Bearer {token.decode()}\r\n"
            peer.say(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            assert peer.exactly(20)
            os.truncate(file, 10)
            assert size < 10_000 or peer.is_closed_by_the_other()
        assert_serves(server)


# --- too many


@pytest.mark.parametrize("begun", [b"", b"GET /v0.7/", hello()[:50]], ids=["silent", "http", "producers"])
@pytest.mark.parametrize("has_tokens", [True, False])
def test_a_flood_of_connections_keeps_nobody_out(
    store: Counting, tokens: Tokens, begun: bytes, has_tokens: bool
) -> None:
    token = token_of(tokens, "admin:bt") if has_tokens else ""
    with (
        AsapoServer(store, tokens=tokens if has_tokens else None, most_clients=60, most_strangers=40) as server,
        ExitStack() as stack,
        Peer(server.address) as honest,
    ):
        assert honest.greet(token) == (0, "")
        for _ in range(150):
            peer = stack.enter_context(Peer(server.address))
            try:
                peer.say(begun)
            except ConnectionError:
                continue
        assert_serves(server, token)
        assert honest.send(next(_IDS), stream=f"flood {server.address}".encode()) == (0, "")


def test_a_flood_of_names_costs_no_more_than_a_few(server: AsapoServer) -> None:
    with Peer(server.address) as peer:
        most = 0
        for number in range(600):
            status, _ = peer.ask(
                f"/v0.7/beamtime/bt{number % 7}/det{number % 11}/s{number}/g{number}/next?token=&instanceid=auto"
            )
            assert status == 409
            most = max(most, len(os.listdir("/proc/self/fd")))  # noqa: PTH208
        assert most < 900
    assert_serves(server)


def test_strangers_cannot_keep_the_server_looking_for_payloads(guarded: AsapoServer, store: Counting) -> None:
    before = store.listed
    with Peer(guarded.address) as peer:
        for number in range(200):
            peer.say(packed(6, (number + 1) << 31 | 1, 5, mode=13, name=b""))
            assert peer.reply()[0] == 5
    assert store.listed - before < 20


# --- not allowed


def test_wrong_tokens_are_refused_everywhere_and_told_nowhere(
    guarded: AsapoServer, store: Counting, tokens: Tokens
) -> None:
    other = Tokens(b"f" * 32).issue("stranger", [Scope.parse("admin:*")], lasts_s=None)
    elsewhere = token_of(tokens, "admin:other")
    reader = token_of(tokens, "read:bt")
    over = Tokens(KEY.encode(), now_s=lambda: time.time() - 1000).issue("late", [Scope.parse("admin:bt")], lasts_s=10)
    before = {info.address: info.count for info in store.streams()}
    for token in ("", "garbage", other, elsewhere, over, f"{elsewhere}x", "x" * 3000, reader):
        with Peer(guarded.address) as peer:
            code, text = peer.greet(token)
            assert code in (3, 6)
            assert text
            assert not token or token not in text
            assert peer.is_closed_by_the_other()
        if token == reader:
            continue
        for target, body in [
            ("/v0.7/beamtime/bt/det/run/g/next?token={}&id_key=_id", None),
            ("/v0.7/beamtime/bt/det/run/0/1?token={}", None),
            ("/v0.7/beamtime/bt/det/0/streams?token={}&filter=all&detailed=true", None),
            ("/v0.7/beamtime/bt/det/0/sources?token={}", None),
            ("/v0.7/beamtime/bt/det/default/0/meta/0?token={}", None),
            ("/v0.7/beamtime/bt/det/run/g/1?token={}", b'{"Op":"ackmessage"}'),
            ("/v0.7/beamtime/bt/det/run/delete?token={}", b'{"ErrorOnNotExist":true,"DeleteMeta":true}'),
            ("/v0.7/beamtime/bt/det/run/0/querymessages?token={}", b"_id > 0"),
            (
                "/asapo-authorizer/v0.2/folder?token={}",
                b'{"Folder":"auto","BeamtimeId":"bt","Token":"%s"}' % token.encode(),
            ),
            ("/v0.2/transfer?token={}", b'{"Folder":"auto","FileName":"processed/a"}'),
        ]:
            with Peer(guarded.address) as peer:
                status, answer = peer.ask(target.format(token), body)
                assert status in (400, 401), (target, status, answer)
                assert len(token) < 8 or token.encode() not in answer
    with Peer(guarded.address) as peer:
        status, answer = peer.ask(f"/v0.7/beamtime/bt/det/run/delete?token={reader}", b"{}")
        assert status == 401
    assert {info.address: info.count for info in store.streams()} == before
    assert_serves(guarded, token_of(tokens, "admin:bt"))


def test_a_token_that_is_taken_back_ends_what_it_had_begun(store: Counting, tmp_path: Path) -> None:
    revoked = tmp_path / "revoked"
    tokens = Tokens(KEY.encode(), revoked=revoked)
    token = token_of(tokens, "write:bt")
    with AsapoServer(store, tokens=tokens) as server, Peer(server.address) as peer:
        assert peer.greet(token) == (0, "")
        assert peer.send(next(_IDS), stream=b"revoked") == (0, "")
        revoked.write_text(tokens.read(token).id)
        deadline = time.monotonic() + LONGEST_S
        code = 0
        while code == 0 and time.monotonic() < deadline:  # until the server looks again
            code, _ = peer.send(next(_IDS), stream=b"revoked")
        assert code == 6


def test_no_name_leads_out_of_the_store(tmp_path: Path) -> None:
    folder = tmp_path / "in" / "store"
    folder.mkdir(parents=True)
    names = [
        "..",
        ".",
        "../../out",
        "/etc/x",
        "a\\..\\b",
        "%2e%2e",
        "a\nb",
        "nul\0",
        "-rf",
        "\u202e",
        "lock",
        "state",
        'q"q',
    ]
    with DirectoryStore(folder, make=True) as store, AsapoServer(store) as server:
        for name in names:
            with Peer(server.address) as peer:
                code, _ = peer.greet(beamtime=name.replace("/", "_") if "%" not in name else "bt")
                if code == 0:
                    peer.send(1, stream=name.encode(), name=f"processed/{name}".encode(), mode=13)
            with Peer(server.address) as peer:
                peer.greet()
                peer.send(1, stream=b"files", name=f"processed/../../{name}".encode(), mode=13)
        with Peer(server.address) as peer:
            assert peer.greet(beamtime="a/b")[0] == 3
        with Peer(server.address) as peer:
            for name in names:
                status, _ = peer.ask("/v0.2/transfer?token=", json.dumps({"Folder": "auto", "FileName": name}).encode())
                assert status in (400, 401, 404)
        assert_serves(server)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in"]
    assert sorted(path.name for path in (tmp_path / "in").iterdir()) == ["store"]


def test_the_command_tells_no_secret_and_lives_on(tmp_path: Path) -> None:
    tokens = Tokens(KEY.encode())
    token = token_of(tokens, "admin:bt")
    environ = {"PENSTOCK_STREAMS_SECRET": KEY}
    words = ("serve", "--store", "store", "--listen", "0", "--asapo", "127.0.0.1:0", "--json")
    with started(*words, folder=tmp_path, environ=environ) as process:
        address = json.loads(process.line("{"))["asapo"]
        for data in (*GARBAGE.values(), hello("wrong-secret-token"), hello(token) + packed(size=HUGE)):
            with Peer(address) as peer:
                peer.say(data)
        with Peer(address) as peer:
            assert peer.ask("/v0.7/beamtime/bt/det/run/g/next?token=wrong-secret-token&id_key=_id")[0] == 401
        with Peer(address) as producer, Peer(address) as consumer:
            assert producer.greet(token) == (0, "")
            assert producer.send(1, b"honest") == (0, "")
            assert consumer.record(1, token)["size"] == 6
        process.process.send_signal(2)
        said = process.end()
    assert said.code == 0
    for secret in (KEY, token, "wrong-secret-token"):
        assert secret not in said.text
    told = said.err.splitlines()
    assert all(line.startswith(("penstock: ASAPO: 127.0.0.1: ", "penstock serve: ending")) for line in told), told
    assert any("the token is not one of this server" in line for line in told)
    assert any("this is no HTTP" in line for line in told)
    assert len(told) < 100
