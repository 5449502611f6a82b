"""How fast ASAPO's genuine clients send to our server and read from it; each beside a server that keeps nothing."""

import itertools
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib.util import find_spec

from bench.children import Child, children
from bench.effort import Effort
from bench.row import Row, in_turns
from bench.stream_disk import GB, disk_folder

__all__ = ["frame_rows", "latency_rows", "read_rows", "send_rows"]

CLIENT = "bench.asapo_client"
SMALL_BYTES, FRAME_BYTES = 1000, 8_000_000
SEND_TARGET, READ_TARGET, FRAME_TARGET = 10e3, 3e3, 1.0
THREADS, FRAME_THREADS = 8, 4
CACHED = 9
"""The ingest mode of what goes into cache and database, which is our store; no file beside it."""
RATE_HZ = 50.0
P50_MS, P99_MS = 5.0, 20.0
BARE = "the same clients, a server that keeps nothing"

_NUMBERS = itertools.count(1)


def send_rows(effort: Effort) -> Iterator[Row]:
    """Measure messages of 1 kB up to the last callback."""
    count = effort.count(SEND_TARGET)
    with _servers(4 * effort.runs * count * SMALL_BYTES) as (ours, bare):
        limit, found = in_turns(
            effort.runs,
            lambda: count / _sent_s(bare, count, SMALL_BYTES, THREADS),
            lambda: count / _sent_s(ours, count, SMALL_BYTES, THREADS),
        )
    yield Row(
        name=f"asapo: 1 kB messages sent, {THREADS} threads", value=found / 1e3, unit="k/s", reference=limit / 1e3,
        of=BARE, target=SEND_TARGET / 1e3,
    )  # fmt: skip


def frame_rows(effort: Effort) -> Iterator[Row]:
    """Measure messages of 8 MB into the store."""
    count = effort.count(FRAME_TARGET * 1e9 / FRAME_BYTES)
    with _servers(effort.runs * count * FRAME_BYTES) as (ours, bare):
        limit, found = in_turns(
            effort.runs,
            lambda: count * FRAME_BYTES / 1e9 / _sent_s(bare, count, FRAME_BYTES, FRAME_THREADS),
            lambda: count * FRAME_BYTES / 1e9 / _sent_s(ours, count, FRAME_BYTES, FRAME_THREADS),
        )
    yield Row(
        name=f"asapo: 8 MB messages sent, {FRAME_THREADS} threads", value=found, unit="GB/s", reference=limit, of=BARE,
        target=FRAME_TARGET,
    )  # fmt: skip


def read_rows(effort: Effort) -> Iterator[Row]:
    """Measure ``get_next`` of one client, with and without payloads."""
    count = effort.count(READ_TARGET)
    with _servers(2 * count * SMALL_BYTES) as (ours, bare):
        _sent_s(ours, count, SMALL_BYTES, THREADS, stream="read")
        for what, kind, target in (("metadata", "meta", READ_TARGET), ("with 1 kB of data", "data", None)):
            limit, found = in_turns(
                effort.runs, partial(_read_per_s, bare, count, kind), partial(_read_per_s, ours, count, kind)
            )
            yield Row(
                name=f"asapo: get_next, {what}", value=found / 1e3, unit="k/s", reference=limit / 1e3, of=BARE,
                target=None if target is None else target / 1e3,
            )  # fmt: skip


def latency_rows(effort: Effort) -> Iterator[Row]:
    """Measure from the producer's ``send`` to the consumer's ``get_next`` returning, 50 times a second."""
    count = max(20, effort.count(RATE_HZ) * 2)
    with _servers(count * SMALL_BYTES) as (ours, _):
        stream = f"pace {next(_NUMBERS)}"
        with children(
            [[CLIENT, "follow", ours, stream, str(count)], [CLIENT, "pace", ours, stream, str(count), str(RATE_HZ)]]
        ) as (reader, sender):
            reader.heard()
            sender.heard()
            sender.tell("go")
            sender.heard()
            took = reader.heard()["took_s"]
    for name, part, target in (("p50", 0.5, P50_MS), ("p99", 0.99, P99_MS)):
        yield Row(
            name=f"asapo: send to get_next at {RATE_HZ:g} Hz, {name}", value=1e3 * took[int(part * (len(took) - 1))],
            unit="ms", reference=0.0, of="", target=target, asks="at most",
        )  # fmt: skip


@contextmanager
def _servers(nbytes: int) -> Iterator[tuple[str, str]]:
    """Start our server, on a disk, and a bare one; return their addresses."""
    for name in ("asapo_producer", "asapo_consumer"):
        if find_spec(name) is None:
            raise OSError(f"{name} is not installed: pip install {name.replace('_', '-')}==25.3.0, Python 3.11 or 3.12")
    with ExitStack() as stack:
        folder = stack.enter_context(disk_folder(nbytes + GB))
        ours, bare = stack.enter_context(children([[CLIENT, "serve", str(folder)], [CLIENT, "bare"]]))
        yield ours.heard()["address"], bare.heard()["address"]


def _sent_s(address: str, count: int, size: int, threads: int, *, stream: str = "") -> float:
    name = stream or f"sent {next(_NUMBERS)}"
    words = [CLIENT, "send", address, name, str(count), str(size), str(threads), str(CACHED)]
    with children([words]) as (sender,):
        said = _gone(sender)
    if said["failed"]:
        raise OSError(f"{said['failed']} of {count} messages were refused")
    return float(said["seconds"])


def _read_per_s(address: str, count: int, kind: str) -> float:
    words = [CLIENT, "read", address, "read", f"group {next(_NUMBERS)}", str(count), kind]
    with children([words]) as (reader,):
        return count / float(_gone(reader)["seconds"])


def _gone(child: Child) -> dict[str, float]:
    """Let a child do what it has to, and return what it says."""
    child.heard()
    child.tell("go")
    said: dict[str, float] = child.heard()
    return said
