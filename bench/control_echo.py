"""Items in by ZeroMQ, through a stage of two processes that give them back, and out by ZeroMQ: beside no pipeline.

Sender and receiver are bare programs. The same two without anything between them are the limit; rta-dp is the peer.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from bench.children import children
from bench.echo_rig import running
from bench.effort import Effort
from bench.local_run import RunError
from bench.row import Row, in_turns
from bench.rtadp_peer import rtadp_per_s

__all__ = ["large_rows", "small_rows"]

SMALL, SMALL_PER_S = 100, 300e3
LARGE, LARGE_PER_S = 100_000, 8e3
DIRECT = "the same sender to the same receiver"


@dataclass
class Seen:
    """What went wrong in all runs of one kind."""

    lost: list[int] = field(default_factory=list)
    """By run: items that did not come, came too often, or are in no account as done."""
    are_right: bool = True
    """Whether all that came was what had been sent, in its order where that is kept."""


def small_rows(effort: Effort) -> Iterator[Row]:
    """Measure strings of 100 B, as they come and in order."""
    n = effort.count(SMALL_PER_S)
    seen = {order: Seen() for order in ("free", "kept")}
    direct, free, kept = in_turns(
        effort.runs,
        lambda: _direct_per_s(SMALL, n),
        lambda: _echo_per_s(SMALL, n, "free", seen["free"]),
        lambda: _echo_per_s(SMALL, n, "kept", seen["kept"]),
    )
    for order, found, target in (("free", free, 300e3), ("kept", kept, 150e3)):
        name = f"100 B strings through 2 processes, order {order}"
        yield Row(name=name, value=found, unit="results/s", reference=direct, of=DIRECT, target=target)
        yield _lost(name, seen[order], n)
    rtadp, of = rtadp_per_s("100 B", 7_700)
    yield Row(name="100 B strings, order kept", value=kept, unit="results/s", reference=rtadp, of=of)


def large_rows(effort: Effort) -> Iterator[Row]:
    """Measure items of 100 kB of bytes."""
    n, mb = effort.count(LARGE_PER_S), LARGE / 1e6
    seen = Seen()
    direct, found = in_turns(
        effort.runs,
        lambda: _direct_per_s(LARGE, n) * mb,
        lambda: _echo_per_s(LARGE, n, "free", seen) * mb,
    )
    name = "100 kB of bytes through 2 processes"
    yield Row(name=name, value=found, unit="MB/s", reference=direct, of=DIRECT, target_ratio=0.4)
    yield _lost(name, seen, n)
    rtadp, of = rtadp_per_s("100 kB", 1_484)
    yield Row(name=name, value=found, unit="MB/s", reference=rtadp * mb, of=of)


def _lost(name: str, seen: Seen, n: int) -> Row:
    if not seen.are_right:
        raise RunError(f"{name}: what came is not what was sent")
    what = f"{name}: lost of {n:,} each run, received and in the books"
    return Row(name=what, value=max(seen.lost), unit="items", reference=0, of="", target=0, asks="at most")


def _direct_per_s(nbytes: int, n: int) -> float:
    with children([["bench.echo_ends", "receive", str(nbytes), str(n)]]) as (receiver,):
        words = ["bench.echo_ends", "send", receiver.heard(), str(nbytes), str(n)]
        with children([words]) as (sender,):
            sender.tell("begin")
            return _checked(receiver.heard(), n, "kept", Seen())


def _echo_per_s(nbytes: int, n: int, order: str, seen: Seen) -> float:
    with running(nbytes, n, order) as echo:
        echo.sender.tell("begin")
        said = echo.receiver.heard()
        echo.end_s()
        report = echo.report()
    per_s = _checked(said, n, order, seen)
    books = [edge["accounts"].get("done", 0) for edge in report["edges"]]
    assert len(books) == 3, "the source's, the stage's and the sink's"
    seen.lost[-1] = max(seen.lost[-1], *(abs(n - done) for done in books))
    return per_s


def _checked(said: dict[str, Any], n: int, order: str, seen: Seen) -> float:
    seen.lost.append(abs(n - said["came"]))
    if said["came"] == n:
        seen.are_right &= said["are_in_order" if order == "kept" else "are_all"]
    rate: float = said["per_s"]
    return rate
