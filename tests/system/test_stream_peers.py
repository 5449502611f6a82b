"""Peers of a server of streams that stop, or are gone without a word: nobody waits for them, and nothing is kept."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from penstock.core import Block, Message
from penstock.core.stream_address import StreamAddress
from penstock.services.stream_server import StreamServer
from penstock.streams.memory_store import MemoryStore
from penstock.streams.remote_store import RemoteStore
from tests.system.commands import started
from tests.system.relay import Relay
from tests.system.stream_parts import ADDRESS

OTHER = StreamAddress("c20261120", "eiger", "run 2")
LONGEST_S = 30.0
SILENCE_S = 1.0
BLOCK_BYTES = 1 << 20
BLOCKS = 96
MOST_GROWN_BYTES = 48 << 20
"""Of the server, while twice as much waits for a reader that does not read: credit is 8 MB for each of three feeds."""


def block(number: int, nbytes: int = 1000) -> Block:
    return Block.of("any", [Message(id=number, array=np.full(nbytes, number % 256, np.uint8))])


def anonymous_bytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) * 1024


def logged(log: Path) -> list[int]:
    return np.fromfile(log, "<u8").tolist() if log.exists() else []


def await_logged(log: Path, count: int) -> None:
    deadline = time.monotonic() + LONGEST_S
    while len(logged(log)) < count:
        assert time.monotonic() < deadline, f"{len(logged(log))} of {count} messages came"
        time.sleep(0.02)  # it is written by another process, which tells nobody


def consuming(stack: ExitStack, address: str, log: Path) -> "subprocess.Popen[bytes]":
    words = [sys.executable, "-m", "tests.system.stream_parts", "consume", address, str(log)]
    process = stack.enter_context(subprocess.Popen(words, cwd=Path(__file__).parents[2]))
    stack.callback(process.kill)
    return process


def test_a_reader_that_is_stopped_costs_the_server_nothing(tmp_path: Path) -> None:
    with (
        started("serve", "--store", "store", "--listen", "0", "--json", folder=tmp_path) as server,
        ExitStack() as stack,
    ):
        address = json.loads(server.line("{"))["address"]
        store = stack.enter_context(RemoteStore(address, patience_s=LONGEST_S))
        writer = stack.enter_context(store.send(ADDRESS, sync="none"))
        writer.append(block(1, BLOCK_BYTES))
        stopped, going = (consuming(stack, address, tmp_path / name) for name in ("stopped", "going"))
        for name in ("stopped", "going"):
            await_logged(tmp_path / name, 1)
        os.kill(stopped.pid, signal.SIGSTOP)
        before = anonymous_bytes(server.process.pid)
        for n in range(2, BLOCKS + 1):
            writer.append(block(n, BLOCK_BYTES))
        writer.finish()
        assert going.wait(LONGEST_S) == 0
        assert logged(tmp_path / "going") == list(range(1, BLOCKS + 1))
        assert len(logged(tmp_path / "stopped")) < BLOCKS
        assert anonymous_bytes(server.process.pid) - before < MOST_GROWN_BYTES
        os.kill(stopped.pid, signal.SIGCONT)
        assert stopped.wait(LONGEST_S) == 0
        assert logged(tmp_path / "stopped") == list(range(1, BLOCKS + 1))


def test_who_is_gone_without_a_word_is_let_go_and_comes_back() -> None:
    with (
        MemoryStore() as store,
        StreamServer(store, idle_s=SILENCE_S) as server,
        Relay(server.address) as relay,
        RemoteStore(server.address, patience_s=LONGEST_S) as near,
        RemoteStore(relay.address, patience_s=LONGEST_S, silence_s=SILENCE_S) as far,
        far.send(ADDRESS) as writer,
        far.read(OTHER) as reader,
        near.write(OTHER) as other,
    ):
        other.append(block(1))
        assert reader.wait(0, LONGEST_S)
        sent = []
        for n in range(1, 51):
            if n == 25:
                relay.swallow()
            sent.append(writer.send(block(n)))
        for n in range(2, 21):  # nobody waits for who is gone
            other.append(block(n))
        assert near.connections == 1
        for append in sent:
            append.result(LONGEST_S)
        assert far.connections > 1
        assert reader.wait(19, LONGEST_S)
        assert [n for stored in reader.blocks() for n in stored.block.ids.tolist()] == list(range(1, 21))
        deadline = time.monotonic() + LONGEST_S
        while server.clients > 2:
            assert time.monotonic() < deadline, "the old connection is there still"
            time.sleep(0.02)  # it ends by its own time
        with store.read(ADDRESS) as stored_reader:
            found = [n for stored in stored_reader.blocks() for n in stored.block.ids.tolist()]
        assert found == list(range(1, 51))
