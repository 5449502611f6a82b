"""Who may do what by ASAPO's genuine clients, where files go, and that a server that was killed is gone on with."""

import json
import os
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock.compat.asapo.beamtimes import Places
from penstock.compat.asapo.handles import Handles
from penstock.compat.asapo.server import AsapoServer
from penstock.compat.asapo.wire import FINISH_NAME, REPLY_BYTES, Authorisation, Header, Mode, Op, read_reply
from penstock.core.block import Block
from penstock.core.message import Message
from penstock.core.stream_address import StreamAddress
from penstock.errors import ServiceError
from penstock.services.stream_tokens import Scope, Tokens
from penstock.streams.directory import DirectoryStore
from penstock.streams.memory_store import MemoryStore
from penstock.streams.store import StreamInfo
from tests.system.asapo_clients import Beamtime, Served, asapo_consumer, asapo_producer, raises
from tests.system.asapo_peer import Peer, packed
from tests.system.commands import Process
from tests.system.recorded_runs import until

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

SECRET = b"0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Tokens:
    return Tokens(SECRET, revoked=tmp_path_factory.mktemp("tokens") / "revoked")


@pytest.fixture(scope="module")
def guarded(tokens: Tokens) -> Iterator[Served]:
    with MemoryStore() as store, AsapoServer(store, tokens=tokens) as server:
        yield Served(server, store)


def issue(tokens: Tokens, *scopes: str) -> str:
    return tokens.issue("somebody", [Scope.parse(scope) for scope in scopes], lasts_s=600)


def test_a_token_allows_what_it_says_and_no_more(guarded: Served, tokens: Tokens) -> None:  # [91], [101], [48]
    beamtime = Beamtime(guarded)
    writing, reading = issue(tokens, "write:bt/det", "read:bt"), issue(tokens, "read:bt/det")
    producer = beamtime.producer(token=writing)
    beamtime.fill(producer, [1])
    data, meta = beamtime.consumer(token=reading).get_next("g", meta_only=False, stream=beamtime.stream)
    assert bytes(data) == b"data 1"
    assert bytes(beamtime.consumer(token=reading).retrieve_data(meta | {"buf_id": 0})) == b"data 1"
    refused = ((reading, "det"), (writing, "other"), ("nonsense", "det"), ("", "det"))
    for token, source in refused:
        beamtime.begin(beamtime.producer(token=token, source=source), 2)
    for _, error in beamtime.wait(len(refused)):
        assert isinstance(error, asapo_producer.AsapoWrongInputError)
        assert "token" in str(error)
    for token, source in ((reading, "other"), ("nonsense", "det"), ("", "det")):
        with raises("AsapoWrongInputError") as caught:
            beamtime.consumer(token=token, source=source).get_next("g", stream=beamtime.stream)
        assert "nonsense" not in str(caught.value).replace("token=nonsense", "")
    with raises("AsapoWrongInputError"):
        beamtime.consumer(token=reading).delete_stream(beamtime.stream)
    beamtime.consumer(token=writing).delete_stream(beamtime.stream)


def test_a_token_that_was_taken_back_is_refused(guarded: Served, tokens: Tokens) -> None:
    beamtime = Beamtime(guarded)
    token = issue(tokens, "write:bt", "read:bt")
    producer, consumer = beamtime.producer(token=token), beamtime.consumer(token=token)
    beamtime.fill(producer, [1])
    assert consumer.get_current_size(beamtime.stream) == 1
    assert tokens._file is not None
    tokens._file.write_text(tokens.read(token).id)
    end = time.monotonic() + 10
    while beamtime.send(producer, 2)[1] is None or not isinstance(
        beamtime.send(producer, 3)[1], asapo_producer.AsapoWrongInputError
    ):
        assert time.monotonic() < end
    with raises("AsapoWrongInputError"):
        consumer.get_current_size(beamtime.stream)
    tokens._file.unlink()


def test_what_is_too_large_is_refused_with_the_reason() -> None:
    with MemoryStore() as store, AsapoServer(store, most_message_bytes=1_000_000) as server:
        beamtime = Beamtime(Served(server, store))
        producer = beamtime.producer()
        for number, size in ((1, 30_000_000), (2, 1_000_001)):
            error = beamtime.send(producer, number, bytes(size))[1]
            assert isinstance(error, asapo_producer.AsapoWrongInputError)
            assert f"{size} bytes are too many" in str(error)
        assert beamtime.send(producer, 3, bytes(1_000_000))[1] is None


def test_where_there_is_no_room_the_sender_and_who_runs_the_server_are_told_why() -> None:
    told: list[str] = []
    with MemoryStore(most_bytes=100_000) as store, AsapoServer(store, tell=told.append) as server:
        beamtime = Beamtime(Served(server, store))
        producer = beamtime.producer()
        for number in (1, 2):
            error = beamtime.send(producer, number, bytes(200_000))[1]
            assert isinstance(error, asapo_producer.AsapoWrongInputError)
            assert "the store may take 100000 in all" in str(error)
        assert beamtime.send(producer, 3, bytes(50_000))[1] is None
    assert len(told) == 2
    assert all("the store may take 100000 in all" in line for line in told)


def test_nobody_else_can_connect_without_tokens() -> None:
    with MemoryStore() as store, pytest.raises(ServiceError, match="can be reached from other machines"):
        AsapoServer(store, "0.0.0.0")


def test_who_comes_from_elsewhere_is_told_the_address_by_which_it_came(tokens: Tokens) -> None:
    token = issue(tokens, "read:bt")
    with MemoryStore() as store, AsapoServer(store, "0.0.0.0", tokens=tokens) as server:
        with store.write(StreamAddress("bt", "det", "s")) as writer:
            writer.append(Block.of("s", [Message(1, None, 0, {}, np.ones(3, np.uint8))]))
        endpoint = f"localhost:{server.address.rpartition(':')[2]}"
        consumer = asapo_consumer.create_consumer(endpoint, "auto", False, "bt", "det", token, 100)
        data, meta = consumer.get_next("g", meta_only=False, stream="s")
        assert (bytes(data), meta["source"].partition("#")[0]) == (b"\1\1\1", endpoint)
        reached = endpoint.replace("localhost", "127.0.0.1")
        for target, told in (("receiver", f'"{reached}"'), ("broker", reached), ("file-transfer", reached)):
            with Peer(reached) as peer:
                peer._where = "<nonsense>"
                status, body = peer.ask(f"/asapo-discovery/v0.1/asapo-{target}?protocol=v0.7")
                assert (status, told in body.decode()) == (200, True), body


@pytest.fixture(scope="module")
def facility(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders as a facility has them: two beamtimes of a beamline, of which one is current."""
    root = tmp_path_factory.mktemp("facility")
    for beamtime in ("11000001", "11000002"):
        (root / f"core/p07/2026/data/{beamtime}").mkdir(parents=True)
    make_current(root, "11000001")
    return root


def make_current(root: Path, beamtime: str) -> None:
    current = root / "beamline/p07/current"
    current.mkdir(parents=True, exist_ok=True)
    said = {
        "applicant": {}, "beamline": "p07", "beamline_alias": "P07", "beamtimeId": beamtime,
        "corePath": str(root / f"core/p07/2026/data/{beamtime}"),
        "event-start": "2026-01-01", "event-end": "2027-01-01",
        "beamline-setup": "", "proposalId": "1", "title": "t",
    }  # fmt: skip
    for old in current.glob("beamtime-metadata-*.json"):
        old.unlink()
    (current / f"beamtime-metadata-{beamtime}.json").write_text(json.dumps(said))


@pytest.fixture(scope="module")
def with_files(facility: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    places = Places(
        offline=f"{facility}/core/{{beamline}}/*/*/{{beamtime}}", online=f"{facility}/beamline/{{beamline}}"
    )
    store = DirectoryStore(tmp_path_factory.mktemp("files") / "store", make=True)
    with store, AsapoServer(store, places=places) as server:
        yield Served(server, store)


def test_files_lie_where_the_facility_has_them(with_files: Served, facility: Path) -> None:  # [78], [79], [88]
    beamtime = Beamtime(with_files)
    beamtime.name = "11000001"
    core, online = facility / "core/p07/2026/data/11000001", facility / "beamline/p07/current"
    producer, raw = beamtime.producer(), beamtime.producer(kind="raw", source="raw")
    beamtime.fill(producer, [1], exposed_path="processed/a/file")
    assert (core / "processed/a/file").read_bytes() == b"data 1"
    error = beamtime.send(producer, 2, b"other", exposed_path="processed/a/file")[1]
    assert isinstance(error, asapo_producer.AsapoServerWarning)
    assert "overwritten" in str(error)
    assert (core / "processed/a/file").read_bytes() == b"other"
    conflict = beamtime.send(producer, 2, b"a third", exposed_path="processed/a/file")[1]
    assert isinstance(conflict, asapo_producer.AsapoWrongInputError)
    assert (core / "processed/a/file").read_bytes() == b"other"  # what is refused changes no file
    for path, mode in (("raw/x", 13), ("raw/y", 29)):
        assert beamtime.send(raw, mode, b"raw data", exposed_path=path, ingest_mode=mode)[1] is None
    assert (online / "raw/x").read_bytes() == b"raw data"
    assert (core / "raw/y").read_bytes() == b"raw data"
    assert beamtime.send(raw, 40, b"only a file", exposed_path="raw/z", ingest_mode=5)[1] is None
    assert (online / "raw/z").read_bytes() == b"only a file"
    assert beamtime.consumer(source="raw").get_current_size(beamtime.stream) == 2
    # a consumer with the file system, and one that has it transferred
    meta = beamtime.consumer().get_by_id(2, stream=beamtime.stream)[1] | {"buf_id": 0}
    mounted = beamtime.consumer(path=str(core), has_filesystem=True)
    for consumer in (mounted, beamtime.consumer(), beamtime.consumer(path=str(core))):
        assert bytes(consumer.retrieve_data(meta)) == b"other"
    (core / "processed/by hand").write_bytes(b"put there by hand")
    by_hand = meta | {"name": "processed/by hand", "size": 17}
    assert bytes(beamtime.consumer().retrieve_data(by_hand)) == b"put there by hand"
    with raises("AsapoWrongInputError"):  # [100]
        beamtime.consumer(path="/elsewhere").retrieve_data(meta)
    with raises("AsapoWrongInputError"):
        beamtime.consumer().retrieve_data(meta | {"name": "processed/../../11000002/f"})


def test_auto_is_the_beamtime_that_the_beamline_has_now(with_files: Served, facility: Path) -> None:  # [90]
    beamtime = Beamtime(with_files)
    producer = beamtime.producer(beamtime="auto", beamline="p07")
    make_current(facility, "11000001")
    try:
        deadline, number = time.monotonic() + 10, 1
        beamtime.fill(producer, [1])
        beamtime.name = "11000001"
        assert beamtime.consumer().get_current_size(beamtime.stream) == 1
        make_current(facility, "11000002")
        beamtime.name = "11000002"
        second = beamtime.consumer()
        while not second.get_current_size(beamtime.stream):
            number += 1
            beamtime.send(producer, number)
            assert time.monotonic() < deadline
        assert (facility / f"core/p07/2026/data/11000002/processed/f{number}").read_bytes() == b"data"
    finally:
        make_current(facility, "11000001")


def test_a_beamtime_that_is_not_there_or_not_current_is_refused(with_files: Served) -> None:
    beamtime = Beamtime(with_files)
    wanted: list[dict[str, Any]] = [{"beamtime": "11009999"}, {"beamtime": "11000002", "kind": "raw"}]
    for more in wanted:
        error = beamtime.send(beamtime.producer(**more), 1, exposed_path=f"{more.get('kind', 'processed')}/f")[1]
        assert isinstance(error, asapo_producer.AsapoWrongInputError), more


def test_clients_go_on_with_a_server_that_was_killed_and_started_again(tmp_path: Path) -> None:  # [103]
    def serve(*options: str) -> tuple[Process, dict[str, Any]]:
        process = Process(
            "serve", "--store", str(tmp_path / "store"), "--listen", "0", "--json", *options, folder=tmp_path
        )
        return process, json.loads(process.line("{"))

    process, facts = serve("--asapo", "0")
    host, _, port = facts["asapo"].rpartition(":")

    class There:
        address = facts["asapo"]

    beamtime = Beamtime(Served(There(), None))  # type: ignore[arg-type]  # all that clients need
    try:
        producer, consumer = beamtime.producer(timeout_ms=30_000), beamtime.consumer(timeout_ms=20_000)
        beamtime.fill(producer, range(1, 6))
        first = beamtime.ids(consumer, "g", 2)
        meta = consumer.get_by_id(4, stream=beamtime.stream)[1]
        consumer.acknowledge("g", 1, beamtime.stream)
        assert beamtime.finish(producer, 2, stream="ended") is None
        process.close()  # killed
        beamtime.begin(producer, 6, b"data 6")
        process, _ = serve("--asapo", f"{host}:{port}")
        assert beamtime.wait(1)[0][1] is None
        assert first + beamtime.ids(consumer, "g", 4) == [1, 2, 3, 4, 5, 6]
        assert bytes(consumer.retrieve_data(meta)) == b"data 4"
        assert consumer.get_unacknowledged_messages("g", stream=beamtime.stream) == [2, 3, 4, 5, 6]
        assert consumer.get_stream_info("ended")["lastId"] == 2
    finally:
        process.close()


def test_all_who_ask_for_payloads_just_after_a_restart_get_them() -> None:
    class Slow(MemoryStore):
        """A store that takes its time to list its streams."""

        may_list, is_asked = threading.Event(), threading.Event()

        def streams(self, within: StreamAddress | None = None) -> Sequence[StreamInfo]:
            self.is_asked.set()
            assert self.may_list.wait(20)
            return super().streams(within)

    address = StreamAddress("bt", "det", "run")
    with Slow() as store, AsapoServer(store) as server, ExitStack() as opened:
        with store.write(address) as writer:
            writer.append(Block.of("run", [Message(1, None, 0, {}, np.ones(4, np.uint8))]))
        peers = [opened.enter_context(Peer(server.address)) for _ in range(2)]
        for peer in peers:
            peer.say(packed(6, Handles().of(address, 0, 1), 4, mode=9, name=b""))
            assert store.is_asked.wait(20)
        with Peer(server.address) as other:  # by when the second has been heard, too
            assert other.ask("/asapo-discovery/v0.1/asapo-broker?protocol=v0.7")[0] == 200
        store.may_list.set()
        for peer in peers:
            assert (peer.reply(), peer.exactly(4)) == ((0, ""), b"\1\1\1\1")


def test_what_a_client_reads_after_a_restart_goes_over_no_number_that_is_anothers_now(tmp_path: Path) -> None:
    # ASAPO's consumer closes a connection that broke while it read, and uses its number again for the same place.
    with MemoryStore() as store, ExitStack() as opened:
        with AsapoServer(store) as server:
            beamtime = Beamtime(Served(server, store))
            beamtime.fill(beamtime.producer(), [1, 2])
            consumer = beamtime.consumer(timeout_ms=5000)
            data, old = consumer.get_by_id(1, meta_only=False, stream=beamtime.stream)
            port = int(server.address.rpartition(":")[2])
        with AsapoServer(store, port=port):
            assert bytes(consumer.retrieve_data(old)) == bytes(data) == b"data 1"  # by file transfer
            files = [opened.enter_context((tmp_path / f"{number}").open("w+b")) for number in range(30)]
            data, new = consumer.get_by_id(2, meta_only=False, stream=beamtime.stream)
            assert bytes(data) == b"data 2"
            assert new["source"] != old["source"]
            assert [file.seek(0, os.SEEK_END) for file in files] == [0] * 30


def _listens(port: int) -> bool:
    with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


def test_a_pipeline_is_fed_and_read_by_their_clients(tmp_path: Path) -> None:  # `serve: {asapo: …}`
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (tmp_path / "sums.yaml").write_text(
        f"""\
name: sums
beamtime: bt
store: store
serve: {{asapo: {port}}}
sources:
  frames: {{use: stream, address: bt/det/frames}}
stages:
  sum: {{from: frames, map: "sums:total"}}
sinks:
  sums: {{use: stream, from: sum, address: bt/sums/frames}}
"""
    )
    (tmp_path / "sums.py").write_text("def total(message):\n    return {'total': int(message.array.sum())}\n")
    process = Process("run", "sums.yaml", "--run", "one", folder=tmp_path, environ={"PYTHONPATH": str(tmp_path)})

    class There:
        address = f"127.0.0.1:{port}"

    beamtime = Beamtime(Served(There(), None))  # type: ignore[arg-type]  # all that clients need
    beamtime.stream = "frames"
    try:
        until(lambda: _listens(port))  # a producer that is refused at first looks again after 10 s
        producer = beamtime.producer(timeout_ms=30_000)
        consumer = beamtime.consumer(source="sums", timeout_ms=20_000)
        for number in range(1, 4):
            frame = np.full((2, 3), 1000 * number, np.uint16)
            told = beamtime.send(producer, number, frame, user_meta='{"dtype": "uint16", "shape": [2, 3]}')
            assert told[1] is None
            meta = consumer.get_next("g", stream="frames", ordered=False)[1]
            assert (meta["_id"], meta["meta"]["total"]) == (number, 6000 * number)
        assert beamtime.finish(producer, 3) is None
        assert process.end().code == 0
    finally:
        process.close()


def test_the_end_of_a_stream_waits_for_what_is_still_being_sent() -> None:
    with MemoryStore() as store, AsapoServer(store) as server:
        said = Authorisation("processed", "i", "s", "bt", "auto", "det", "").pack()
        with connected(server.address, said) as slow, connected(server.address, said) as other:
            slow.sendall(Header(Op.DATA, 1, 10, 0, Mode.TRANSFER | Mode.RECORD, name="f", stream="s").pack() + b"half ")
            other.sendall(Header(Op.DATA, 2, mode=Mode.ONLY_METADATA, name=FINISH_NAME, stream="s").pack())
            other.settimeout(1.0)  # longer than it would wait for somebody who sends nothing
            with pytest.raises(TimeoutError):
                other.recv(1)
            slow.sendall(b"of it")
            for one in (slow, other):
                one.settimeout(20)
                assert read_reply(one.recv(REPLY_BYTES, socket.MSG_WAITALL))[1] == 0
        info = store.info(StreamAddress("bt", "det", "s"))
        assert (info.count, info.state) == (1, "finished")


def test_the_end_of_a_stream_waits_for_connections_that_are_just_being_made() -> None:
    with MemoryStore() as store, AsapoServer(store) as server:
        said = Authorisation("processed", "i", "s", "bt", "auto", "det", "").pack()
        with connected(server.address, said) as first:
            first.sendall(Header(Op.DATA, 2, mode=Mode.ONLY_METADATA, name=FINISH_NAME, stream="s").pack())
            with connected(server.address, said) as second:
                second.sendall(Header(Op.DATA, 1, 4, 0, 9, name="f", stream="s").pack() + b"data")
                for one in (second, first):
                    one.settimeout(20)
                    assert read_reply(one.recv(REPLY_BYTES, socket.MSG_WAITALL))[1] == 0
        info = store.info(StreamAddress("bt", "det", "s"))
        assert (info.count, info.state) == (1, "finished")


@contextmanager
def connected(address: str, said: bytes) -> Iterator[socket.socket]:
    """Connect by the protocol itself, which can be slower than the clients."""
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), 20) as peer:
        peer.sendall(Header(Op.AUTHORISE, meta_size=len(said), mode=13).pack() + said)
        assert read_reply(peer.recv(REPLY_BYTES, socket.MSG_WAITALL))[1] == 0
        yield peer
