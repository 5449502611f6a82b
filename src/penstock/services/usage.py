"""What a process uses of the machine, as the kernel counts it, and who descends from it."""

import os
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

import msgspec

__all__ = ["OURS", "Gauge", "Usage", "cpu_s_of", "descendants", "name_of", "usage_of"]

OURS = "penstock: "
"""How the names of our processes begin."""
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Of one process since it began."""

    cpu_s: float = 0.0
    private_bytes: int = 0
    """Memory that goes when it goes; not pools, and not what it shares with the process that forked it."""
    max_rss_bytes: int = 0


class Gauge:
    """What some processes use, asked for again and again.

    To count its memory takes the kernel 2 ms a process, so that is done when it has lived three times as long as the
    last time, and every ten seconds.
    """

    MEMORY_S = 10.0
    """How old what is said of memory may be."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[float, float, Usage]] = {}
        """By number: when it was first asked for, when its memory was counted last, what it used then."""

    def of(self, pid: int, now_s: float | None = None) -> Usage:
        """Return what a process uses; its CPU time as of now."""
        now_s = time.monotonic() if now_s is None else now_s
        known: Usage | None
        first_s, counted_s, known = self._known.get(pid, (now_s, now_s, None))
        if known is None or now_s - counted_s >= min(self.MEMORY_S, max(2.0, 2 * (counted_s - first_s))):
            found = usage_of(pid)
            if known is not None and not found.max_rss_bytes:  # it ends just now, and has no memory any more
                return known
            self._known[pid] = first_s, now_s, found
            return found
        return msgspec.structs.replace(known, cpu_s=max(known.cpu_s, cpu_s_of(pid)))

    def forget_all_but(self, pids: Collection[int]) -> None:
        """Forget who has gone."""
        self._known = {pid: known for pid, known in self._known.items() if pid in pids}


def cpu_s_of(pid: int | str = "self") -> float:
    """Return the CPU time of a process with all its threads, in s; 0 if it has gone."""
    with suppress(OSError, ValueError, IndexError):
        fields = (Path("/proc") / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * _TICK_S
    return 0.0


def name_of(pid: int) -> str:
    """Return what a process is called; the short name where it has not given itself one; empty if it has gone."""
    folder = Path("/proc") / str(pid)
    with suppress(OSError):
        words = (folder / "cmdline").read_bytes().rstrip(b"\0").decode(errors="replace")
        return words if words.startswith(OURS) else (folder / "comm").read_text(errors="replace").strip()
    return ""


def descendants(pid: int, most: int = 256, *, apart: Collection[int] = ()) -> list[int]:
    """Return the children of a process, theirs, and so on; those nearest first, and no more than so many.

    Parameters
    ----------
    apart
        Left out, with all that descend from them.
    """
    found = [pid]
    for each in found:
        if len(found) > most:
            break
        with suppress(OSError):
            for task in (Path("/proc") / str(each) / "task").iterdir():
                with suppress(OSError):  # a thread that has just ended
                    children = map(int, (task / "children").read_text().split())
                    found += (child for child in children if child not in apart)
    return found[1 : most + 1]


def usage_of(pid: int | str = "self") -> Usage:
    """Return what a process uses; nothing if it has gone."""
    folder = Path("/proc") / str(pid)
    with suppress(OSError, ValueError, IndexError):
        private = _kilobytes(folder / "smaps_rollup", ("Private_Clean:", "Private_Dirty:"))
        peak = _kilobytes(folder / "status", ("VmHWM:",))
        return Usage(cpu_s=cpu_s_of(pid), private_bytes=private * 1024, max_rss_bytes=peak * 1024)
    return Usage()


def _kilobytes(path: Path, names: tuple[str, ...]) -> int:
    return sum(int(line.split()[1]) for line in path.read_text().splitlines() if line.startswith(names))
