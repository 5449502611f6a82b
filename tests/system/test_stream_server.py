"""A server of durable streams among peers that are slow, half there, hostile or not allowed, and among honest ones."""

import json
import shutil
import signal
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from penstock.core import Block, Message
from penstock.core.retention import EVERYTHING, Retention
from penstock.core.stream_address import StreamAddress
from penstock.errors import ConflictError, PenstockError, RemoteProtocolError, ServiceError, StateError
from penstock.services.stream_server import StreamServer
from penstock.services.stream_tokens import Scope, Tokens
from penstock.streams.directory import DirectoryStore
from penstock.streams.kept_retention import pin_group, set_retention
from penstock.streams.memory_store import MemoryStore
from penstock.streams.producer import Producer
from penstock.streams.remote_store import RemoteStore
from penstock.streams.store import Store
from penstock.wire import stream_requests as say
from penstock.wire.layout import BlockLayout, pack_block
from penstock.wire.stream_frames import Frame, FrameReader, frame_bytes
from tests.system.commands import ended, started
from tests.system.relay import Relay

ADDRESS = StreamAddress("c1", "eiger", "run 1")
KEY = b"0123456789abcdef0123456789abcdef"
LONGEST_S = 20.0
SILENCE_S = 0.5


@pytest.fixture
def store() -> Iterator[MemoryStore]:
    with MemoryStore() as store:
        yield store


@pytest.fixture
def server(store: MemoryStore) -> Iterator[StreamServer]:
    with StreamServer(store) as server:
        yield server


def numbered(*ids: int, size: int = 1) -> Block:
    return Block.of("any", [Message(id=n, array=np.full(size, n % 256, np.uint8)) for n in ids])


def client(server: StreamServer, token: str = "", silence_s: float = 30.0) -> RemoteStore:
    return RemoteStore(server.address, token, patience_s=LONGEST_S, silence_s=silence_s)


class Raw:
    """A peer that says whatever it likes."""

    def __init__(self, server: StreamServer, token: str = "") -> None:
        host, port = server.address.removeprefix("tcp://").split(":")
        self.socket = socket.create_connection((host, int(port)), LONGEST_S)
        self._frames = FrameReader()
        self._found: list[Frame] = []
        self._token = token

    def __enter__(self) -> "Raw":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def greet(self) -> say.Answer:
        self.send(0, say.Hello(say.VERSION, self._token, "raw"))
        return self.answer()

    def send(self, number: int, request: say.Request, body: bytes = b"") -> None:
        self.socket.sendall(frame_bytes(number, say.encode_head(request), body) + body)

    def answer(self) -> say.Answer:
        while not self._found:
            n = self.socket.recv_into(self._frames.space())
            if not n:
                raise EOFError
            self._found += self._frames.received(n)
        return say.open_answer(self._found.pop(0).head)

    def is_closed_by_the_server(self) -> bool:
        try:
            while self.socket.recv(1 << 16):
                pass
        except ConnectionError:
            return True
        return True


def works(server: StreamServer, name: str = "other") -> None:
    """Check that an honest client can write and read."""
    address = StreamAddress("c1", "eiger", name)
    with client(server) as store, store.write(address) as writer, store.read(address) as reader:
        first = writer.last_id + 1
        writer.append(numbered(first))
        assert reader.wait(first - 1, LONGEST_S)
        assert reader.message(first) is not None


def layout_of(block: Block) -> tuple[BlockLayout, bytes]:
    packed = pack_block(block)
    body = np.zeros(packed.places.end, np.uint8)
    return packed.write(body), body.tobytes()


LAYOUT, BODY = layout_of(numbered(1))
LIE = say.encode_head(say.Present(1))
HOSTILE: dict[str, Callable[[Raw], None]] = {
    "http": lambda raw: raw.socket.sendall(b"GET / HTTP/1.1\r\n\r\n"),
    "noise": lambda raw: raw.socket.sendall(np.random.default_rng(1).bytes(100_000)),
    "no hello": lambda raw: raw.send(1, say.Info(str(ADDRESS))),
    "a body before the hello": lambda raw: raw.send(1, say.Hello(1), b"x"),
    "an old version": lambda raw: raw.send(0, say.Hello(99)),
    "an answer": lambda raw: _greeted(raw, frame_bytes(1, say.encode_head(say.Marks(1, 1, 1)))),
    "no head": lambda raw: _greeted(raw, frame_bytes(1, b"")),
    "a second hello": lambda raw: _greeted(raw, frame_bytes(0, say.encode_head(say.Hello(1)))),
    "a layout that lies": lambda raw: _append(raw, BlockLayout(10**6, 10**6, 8, 10**9), b"x" * 100),
    "a wrong check sum": lambda raw: _greeted(raw, frame_bytes(1, LIE, b"ab") + b"ac"),
    "metadata that are none": lambda raw: _append(raw, *_broken_metadata()),
    "no JSON": lambda raw: _greeted(raw, frame_bytes(1, say.encode_head(say.SetMetadata("c1")), b"{") + b"{"),
}


def _greeted(raw: Raw, data: bytes) -> None:
    raw.greet()
    raw.socket.sendall(data)


def _append(raw: Raw, layout: BlockLayout, body: bytes) -> None:
    raw.greet()
    raw.send(1, say.OpenWriter(str(ADDRESS)))
    raw.send(2, say.Append(1, layout), body)


def _broken_metadata() -> tuple[BlockLayout, bytes]:
    layout, body = layout_of(Block.of("any", [Message(id=1, metadata={"a": 1})]))
    return layout, body[: -layout.metadata] + b"\xff" * layout.metadata


@pytest.mark.parametrize("attack", HOSTILE.values(), ids=HOSTILE)
def test_hostile_bytes_end_their_own_connection_only(server: StreamServer, attack: Callable[[Raw], None]) -> None:
    with client(server) as honest, honest.write(StreamAddress("c1", "s", "long")) as writer:
        writer.append(numbered(1))
        with Raw(server) as raw:
            attack(raw)
            assert raw.is_closed_by_the_server()
        writer.append(numbered(2))
        assert honest.connections == 1
        assert honest.info(ADDRESS).count == 0, "nothing of it was written"


def test_what_cannot_be_done_costs_one_request_only(server: StreamServer) -> None:
    with Raw(server) as raw:
        raw.greet()
        raw.send(1, say.Append(7, LAYOUT), BODY)
        raw.send(2, say.Info("no//address"))
        raw.send(3, say.Info(str(ADDRESS)))
        said = [raw.answer() for _ in range(3)]
    assert [type(one) for one in said] == [say.Refusal, say.Refusal, say.Done]
    assert [one.kind for one in said if isinstance(one, say.Refusal)] == ["StateError", "StreamError"]


def test_a_stranger_who_says_nothing_is_shown_out(store: MemoryStore) -> None:
    with StreamServer(store, hello_s=SILENCE_S) as server, Raw(server) as silent, Raw(server) as dripping:
        dripping.socket.sendall(b"pst1")
        assert silent.is_closed_by_the_server()
        assert dripping.is_closed_by_the_server()
        works(server)


def test_a_client_that_is_gone_without_a_word_loses_its_stream(store: MemoryStore) -> None:
    with StreamServer(store, idle_s=SILENCE_S) as server, Raw(server) as half_open:
        half_open.greet()
        half_open.send(1, say.OpenWriter(str(ADDRESS)))
        assert isinstance(half_open.answer(), say.Marks)
        with client(server, silence_s=SILENCE_S) as other:
            with pytest.raises(ConflictError, match="written by raw at 127"):
                other.write(ADDRESS)
            assert half_open.is_closed_by_the_server()  # it was pinged, and did not answer
            with other.write(ADDRESS) as writer:
                writer.append(numbered(1))
            assert other.connections == 1, "pings kept it"


def test_a_peer_that_reads_nothing_keeps_nobody_waiting(store: MemoryStore) -> None:
    with StreamServer(store) as server, Raw(server) as slow:
        with client(server) as honest, honest.write(ADDRESS) as writer:
            for n in range(1, 33):
                writer.append(numbered(n, size=1 << 20))
        slow.greet()
        slow.send(1, say.Follow(str(ADDRESS), 0, 1 << 40))
        slow.send(2, say.Fetch(str(ADDRESS), "id", 1, 40, 1 << 40))
        for n in range(3, 2000):
            slow.send(n, say.Info(str(ADDRESS)))
        works(server)


def test_credit_bounds_what_is_sent(server: StreamServer) -> None:
    with client(server) as honest, honest.write(ADDRESS) as writer:
        for n in range(1, 11):
            writer.append(numbered(n, size=1000))
        with Raw(server) as raw:
            raw.greet()
            raw.send(1, say.Fetch(str(ADDRESS), "position", 0, 0, 3000))
            raw.send(2, say.Info(str(ADDRESS)))
            said = [raw.answer() for _ in range(4)]
            assert [type(one) for one in said] == [say.Stored, say.Stored, say.Stored, say.Done]
            raw.send(1, say.Credit(len(layout_of(numbered(1, size=1000))[1])))
            assert isinstance(raw.answer(), say.Stored)
            raw.send(1, say.Credit(1 << 30))
            assert [type(raw.answer()) for _ in range(7)] == [say.Stored] * 6 + [say.Done]


def test_without_credit_a_follower_is_told_how_many_there_are(server: StreamServer) -> None:
    with Raw(server) as raw, client(server) as honest, honest.write(ADDRESS) as writer:
        raw.greet()
        raw.send(1, say.Follow(str(ADDRESS), 0, 0))
        writer.append(numbered(1, 2))
        assert raw.answer() == say.Arrived(2, is_ended=False, sent=0)
        writer.append(numbered(3))
        assert raw.answer() == say.Arrived(3, is_ended=False, sent=0)
        writer.finish()
        assert raw.answer() == say.Arrived(3, is_ended=True, sent=0)


def test_what_is_removed_before_it_was_sent_is_not_waited_for() -> None:
    with MemoryStore(most_bytes=40_000) as store, StreamServer(store) as server, Raw(server) as raw:
        with store.write(ADDRESS) as writer:
            for n in range(1, 4):
                writer.append(numbered(n, size=10_000))
            writer.finish()
        raw.greet()
        raw.send(1, say.Follow(str(ADDRESS), 0, 1))
        assert isinstance(raw.answer(), say.Stored)
        assert raw.answer() == say.Arrived(3, is_ended=True, sent=1)
        with store.write(StreamAddress("c1", "eiger", "run 2")) as writer:
            for n in range(1, 4):
                writer.append(numbered(n, size=10_000))
        assert store.info(ADDRESS).count == 0
        raw.send(1, say.Credit(1 << 20))
        assert raw.answer() == say.Arrived(3, is_ended=True, sent=3)


def test_a_flood_of_requests_leaves_room_for_others(server: StreamServer) -> None:
    end = threading.Event()

    def flood() -> None:
        with Raw(server) as raw:
            raw.greet()
            info = frame_bytes(1, say.encode_head(say.Info(str(ADDRESS)))) * 500
            while not end.is_set():
                raw.socket.sendall(info)
                for _ in range(500):
                    raw.answer()

    threads = [threading.Thread(target=flood) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for n in range(10):
            works(server, f"run {n}")
    finally:
        end.set()
        for thread in threads:
            thread.join()


def test_more_clients_than_allowed_are_closed_and_counted(store: MemoryStore) -> None:
    with StreamServer(store, most_clients=2) as server, Raw(server) as one, Raw(server) as two:
        one.greet()
        two.greet()
        with Raw(server) as third:
            assert third.is_closed_by_the_server()
        assert server.refused == 1
        one.send(1, say.Ping())
        assert isinstance(one.answer(), say.Pong)


def test_a_writer_goes_to_its_owner_while_the_old_connection_stands(server: StreamServer, store: Store) -> None:
    with Raw(server) as old, Raw(server) as new, Raw(server) as thief:
        for raw in (old, new, thief):
            raw.greet()
        old.send(1, say.OpenWriter(str(ADDRESS), owner="me"))
        old.answer()
        old.send(2, say.Append(1, LAYOUT), BODY)
        assert old.answer() == say.Marks(1, 0, 1)
        thief.send(1, say.OpenWriter(str(ADDRESS), owner="thief", is_again=True))
        assert isinstance(thief.answer(), say.Refusal)
        new.send(1, say.OpenWriter(str(ADDRESS), owner="me", is_again=True))
        assert new.answer() == say.Marks(1, 0, 1)
        assert old.is_closed_by_the_server()
        new.send(2, say.Append(1, LAYOUT, (), is_again=True), BODY)
        assert new.answer() == say.Marks(1, 0, 1)
        layout, body = layout_of(numbered(1, size=2))
        new.send(3, say.Append(1, layout, (), is_again=True), body)
        refused = new.answer()
        assert isinstance(refused, say.Refusal)
        assert refused.kind == "ConflictError"
        new.send(4, say.Append(1, LAYOUT), BODY)
        assert isinstance(new.answer(), say.Refusal), "not sent again, so it is another message"
    assert store.info(ADDRESS).count == 1


def test_what_was_said_of_an_ended_stream_may_be_said_again(server: StreamServer) -> None:
    with Raw(server) as old:
        old.greet()
        old.send(1, say.OpenWriter(str(ADDRESS), owner="me"))
        old.send(2, say.Append(1, LAYOUT), BODY)
        old.send(3, say.EndStream(1, "finished", "run 2"))
        for _ in range(3):
            assert isinstance(old.answer(), say.Marks)
    with Raw(server) as new:
        new.greet()
        new.send(1, say.OpenWriter(str(ADDRESS), owner="me", is_again=True))
        new.send(2, say.Append(1, LAYOUT, (), is_again=True), BODY)
        new.send(3, say.EndStream(1, "finished", "run 2"))
        for _ in range(3):
            assert isinstance(new.answer(), say.Marks)
        new.send(4, say.EndStream(1, "aborted", ""))
        new.send(5, say.Append(1, *_second()), _second_body())
        refused = [new.answer(), new.answer()]
        assert [one.kind for one in refused if isinstance(one, say.Refusal)] == ["ConflictError", "StateError"]


def _second() -> tuple[BlockLayout, tuple[None, ...], bool]:
    return layout_of(numbered(2))[0], (), True


def _second_body() -> bytes:
    return layout_of(numbered(2))[1]


TOKENS = Tokens(KEY)
SCOPES = {
    "nothing of it": "read:c2",
    "read": "read:c1/eiger",
    "write": "write:c1/eiger/run 1",
    "admin": "admin:c1",
}
ACTS: dict[str, Callable[[Store], object]] = {
    "read": lambda store: store.info(ADDRESS),
    "fetch": lambda store: list(store.read(ADDRESS).blocks()),
    "follow": lambda store: store.read(ADDRESS).wait(0, 0),
    "metadata": lambda store: store.metadata(ADDRESS),
    "write": lambda store: store.write(ADDRESS).close(),
    "describe": lambda store: store.set_metadata(ADDRESS, {}),
    "delete": lambda store: store.delete(ADDRESS),
    "retain": lambda store: set_retention(store, ADDRESS, Retention(count=1)),
    "pin": lambda store: pin_group(store, ADDRESS, "fit"),
}
NEEDS = {"read": "read", "fetch": "read", "follow": "read", "metadata": "read", "write": "write", "describe": "write"}


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("scope", SCOPES)
def test_a_token_allows_what_it_says_and_no_more(store: MemoryStore, scope: str, act: str) -> None:
    token = TOKENS.issue("anna", [Scope.parse(SCOPES[scope])], lasts_s=60)
    with StreamServer(store, tokens=TOKENS) as server, client(server, token) as remote:
        if scope in (NEEDS.get(act), "admin"):
            ACTS[act](remote)
        else:
            right = NEEDS.get(act, "admin")
            if act in ("retain", "pin") and scope != "write":
                right = "write"  # which is asked for first
            with pytest.raises(ServiceError, match=f"'anna' does not allow to {right} c1/eiger/run 1"):
                ACTS[act](remote)


def test_only_streams_that_may_be_read_are_listed(store: MemoryStore) -> None:
    for name in ("c1/eiger/a", "c1/other/a", "c2/eiger/a"):
        store.write(StreamAddress.parse(name)).close()
    token = TOKENS.issue("anna", [Scope.parse("read:c1/eiger"), Scope.parse("write:c2")], lasts_s=60)
    with StreamServer(store, tokens=TOKENS) as server, client(server, token) as remote:
        assert [str(info.address) for info in remote.streams()] == ["c1/eiger/a"]


@pytest.mark.parametrize("token", ["", "x", Tokens(KEY[::-1]).issue("a", [Scope.parse("admin:*")], lasts_s=60)])
def test_a_wrong_token_is_refused_at_once_and_not_told(store: MemoryStore, token: str) -> None:
    with (
        StreamServer(store, tokens=TOKENS) as server,
        pytest.raises(ServiceError, match="token") as caught,
        client(server, token),
    ):
        pass
    assert len(token) < 2 or token not in str(caught.value)


def test_a_token_that_ends_or_is_taken_back_stops_what_uses_it(store: MemoryStore, tmp_path: Path) -> None:
    now = [1000.0]
    revoked = tmp_path / "revoked"
    tokens = Tokens(KEY, revoked=revoked, now_s=lambda: now[0])
    short = tokens.issue("short", [Scope.parse("write:*")], lasts_s=60)
    bad = tokens.issue("bad", [Scope.parse("write:*")], lasts_s=None)
    with StreamServer(store, tokens=tokens, idle_s=SILENCE_S) as server:
        with Raw(server, short) as one, Raw(server, bad) as two:
            one.greet()
            two.greet()
            now[0] = 2000.0
            assert one.is_closed_by_the_server()
            revoked.write_text(tokens.read(bad).id)
            assert two.is_closed_by_the_server()
        for token, why in ((short, "expired"), (bad, "taken back")):
            with pytest.raises(ServiceError, match=why), client(server, token):
                pass


def test_other_machines_need_tokens(store: MemoryStore) -> None:
    for host in ("0.0.0.0", "::", "192.0.2.1", "beamline.example"):
        with pytest.raises(ServiceError, match="there are no tokens"):
            StreamServer(store, host)
    with StreamServer(store, "0.0.0.0", tokens=TOKENS) as server:
        assert server.address.startswith("tcp://0.0.0.0:")


def test_a_connection_that_breaks_is_made_again_without_loss_or_doubles(server: StreamServer, store: Store) -> None:
    last = 600
    with Relay(server.address) as relay, RemoteStore(relay.address, patience_s=LONGEST_S) as remote:
        with remote.send(ADDRESS) as writer, remote.read(ADDRESS) as reader:
            found: list[int] = []
            sent = []
            for n in range(1, last + 1):
                sent.append(writer.send(numbered(n, size=n * 10)))
                if n % 50 == 0:
                    relay.cut()
                if n % 20 == 0:
                    assert reader.wait(len(found), LONGEST_S)
                    for stored in reader.blocks(len(found)):
                        found += stored.block.ids.tolist()
            for append in sent:
                append.result(LONGEST_S)
            writer.finish()
            while len(found) < last and reader.wait(len(found), LONGEST_S):
                for stored in reader.blocks(len(found)):
                    found += stored.block.ids.tolist()
            assert found == list(range(1, last + 1))
            assert [n for stored in reader.get(1, last) for n in stored.block.ids.tolist()] == found
        assert remote.connections > 5
    assert store.info(ADDRESS).count == last


def test_what_a_producer_has_on_its_way_survives_connections_that_break(server: StreamServer, store: Store) -> None:
    with Relay(server.address) as relay, RemoteStore(relay.address, patience_s=LONGEST_S) as remote:
        with Producer(remote, ADDRESS) as out:
            receipts = []
            for n in range(1, 201):
                receipts.append(out.send(bytes(100_000)))
                if n % 50 == 0:
                    relay.cut()
            assert {receipt.wait(LONGEST_S).kind for receipt in receipts} == {"stored"}
        assert remote.connections > 1
    with store.read(ADDRESS) as reader:
        assert reader.ids().tolist() == list(range(1, 201))


@pytest.mark.parametrize("by", ["position", "id", "time"])
def test_what_is_fetched_goes_on_where_it_was(server: StreamServer, store: Store, by: str) -> None:
    blocks, size = 40, 1 << 20
    with store.write(ADDRESS) as writer:
        for n in range(1, blocks + 1):
            writer.append(Block.of("any", [Message(id=n, timestamp_ns=n, array=np.full(size, n, np.uint8))]))
    with Relay(server.address) as relay, RemoteStore(relay.address, patience_s=LONGEST_S) as remote:
        reader = remote.read(ADDRESS)
        found = []
        if by == "position":
            fetched = reader.blocks()
        else:
            fetched = reader.get(1, blocks) if by == "id" else reader.between(1, blocks)
        for stored in fetched:
            found += stored.block.ids.tolist()
            if len(found) in (5, 15):
                relay.cut()
        assert found == list(range(1, blocks + 1))
        assert remote.connections > 1


def test_a_stream_that_another_took_meanwhile_is_a_conflict(server: StreamServer, store: Store) -> None:
    with Relay(server.address) as relay, RemoteStore(relay.address, patience_s=LONGEST_S) as remote:
        writer = remote.write(ADDRESS)
        writer.append(numbered(1))
        relay.hold()
        relay.cut()
        with client(server) as thief, thief.write(ADDRESS):
            relay.release()
            with pytest.raises(ConflictError, match="is written by"):
                writer.append(numbered(2))
        with pytest.raises(ConflictError, match="is written by"):
            writer.append(numbered(2))
    assert store.info(ADDRESS).count == 1


def test_who_waits_too_long_for_a_server_is_told(store: MemoryStore) -> None:
    with pytest.raises(ServiceError, match=r"tcp://127.0.0.1:9 was not reached within 0.2 s .*refused"):
        RemoteStore("tcp://127.0.0.1:9", patience_s=0.2)
    with StreamServer(store) as server:
        remote = RemoteStore(server.address, patience_s=0.2)
        writer = remote.write(ADDRESS)
    with remote, pytest.raises(ServiceError, match="was not reached within"):
        writer.append(numbered(1))


def test_a_closed_store_says_so(server: StreamServer) -> None:
    remote = client(server)
    writer, reader = remote.write(ADDRESS), remote.read(ADDRESS)
    remote.close()
    for act in (lambda: writer.append(numbered(1)), lambda: reader.wait(0), remote.streams):
        with pytest.raises(StateError, match="closed"):
            act()
    remote.close()


def test_errors_are_the_same_on_the_other_side(server: StreamServer) -> None:
    with client(server) as remote, remote.send(ADDRESS) as writer:
        writer.append(numbered(1))
        sent = [writer.send(numbered(n)) for n in (2, 1, 3)]
        sent[0].result()
        with pytest.raises(ConflictError, match=r"has these ids already: 1;"):
            sent[1].result()
        sent[2].result()
        assert (writer.written, writer.last_id) == (3, 3)


def test_a_server_that_makes_no_sense_is_left(store: MemoryStore) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connected, _ = listener.accept()
            with connected:
                connected.recv(1000)
                connected.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(PenstockError, match=r"no frame|not reached"):
            RemoteStore(f"tcp://127.0.0.1:{listener.getsockname()[1]}", patience_s=0.3)
        thread.join()
    assert issubclass(RemoteProtocolError, PenstockError)


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1 and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    files = tmp_path / "certificate.pem", tmp_path / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=penstock"),
            *("-addext", "subjectAltName=IP:127.0.0.1", "-out", files[0], "-keyout", files[1]),
        ],
        check=True,
        capture_output=True,
    )
    return files


def test_tls_is_spoken_and_wanted(store: MemoryStore, certificate: tuple[Path, Path]) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    trusting = ssl.create_default_context(cafile=certificate[0])
    with StreamServer(store, tls=context) as server:
        with (
            RemoteStore(server.address, tls=trusting, patience_s=LONGEST_S) as remote,
            remote.send(ADDRESS) as writer,
            remote.read(ADDRESS) as reader,
        ):
            sent = [writer.send(numbered(n, size=100_000)) for n in range(1, 101)]
            for append in sent:
                append.result(LONGEST_S)
            assert reader.wait(99, LONGEST_S)
            assert sum(len(stored.block) for stored in reader.blocks()) == 100
        with pytest.raises(ServiceError, match="certificate is not trusted"):
            RemoteStore(server.address, tls=ssl.create_default_context(), patience_s=LONGEST_S)
        with pytest.raises(ServiceError, match="not reached"):
            RemoteStore(server.address, patience_s=0.5)


def test_the_command_serves_until_it_is_asked_to_end(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(KEY)
    secret.chmod(0o600)
    issued = ended("token", "issue", "--scope", "write:c1", "--secret-file", "secret", "--json", folder=tmp_path)
    token = json.loads(issued.out)["token"]
    words = ("--secret-file", "secret", "--store", "store", "--listen", "0", "--json")
    with started("serve", *words, folder=tmp_path) as process:
        facts = json.loads(process.line("{"))
        assert (facts["tokens"], facts["tls"], facts["state"]) == (True, False, "serving")
        with (
            RemoteStore(facts["address"], token, patience_s=LONGEST_S) as remote,
            remote.write(ADDRESS, sync="always") as writer,
        ):
            writer.append(numbered(1))
            assert writer.synced == 1
            process.process.send_signal(signal.SIGINT)
            said = process.end()
    assert said.code == 0
    assert json.loads(said.out.splitlines()[-1]) == {"state": "ended", "served": 1, "refused": 0}
    assert token not in said.text


def test_the_command_removes_what_is_too_much_now_and_then(tmp_path: Path) -> None:
    words = ("--store", "store", "--listen", "0", "--json", "--retain-s", "0.1")
    with DirectoryStore(tmp_path / "store", segment_bytes=1) as store, store.write(ADDRESS) as writer:
        for number in range(1, 6):
            writer.append(numbered(number))
    with started("serve", *words, folder=tmp_path) as process:
        facts = json.loads(process.line("{"))
        with RemoteStore(facts["address"], patience_s=LONGEST_S) as remote:
            pin_group(remote, ADDRESS, "fit")
            set_retention(remote, ADDRESS, Retention(count=2))
            held = json.loads(process.line('{"state": "retention"'))
            assert (held["stream"], held["messages"]) == (str(ADDRESS), 0)
            assert held["held_by"] == [{"group": "fit", "messages": EVERYTHING[0][1], "first_id": 1}]
            pin_group(remote, ADDRESS, "fit", is_pinned=False)
            done = json.loads(process.line('{"state": "retention"', 2))
            assert (done["messages"], done["held_by"]) == (3, [])
            assert remote.info(ADDRESS).removed == 3
        process.process.send_signal(signal.SIGINT)
        assert process.end().code == 0


def test_the_command_says_what_is_wrong(tmp_path: Path) -> None:
    for words, code, text in (
        (("--listen", "0.0.0.0:0"), 1, "there are no tokens"),
        (("--listen", "x:y"), 2, "write PORT or HOST:PORT"),
        (("--secret-file", "none"), 1, "cannot be read"),
        (("--key", "k"), 2, "without --certificate"),
        (("--certificate", "none"), 1, "cannot be used"),
    ):
        said = ended("serve", "--store", "memory", *words, folder=tmp_path)
        assert (said.code, text in said.err) == (code, True), said.text
