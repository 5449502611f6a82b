"""What a process uses of the machine, as the kernel counts it."""

import os
from contextlib import suppress
from pathlib import Path

import msgspec

__all__ = ["Usage", "usage_of"]

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Of one process since it began."""

    cpu_s: float = 0.0
    private_bytes: int = 0
    """Memory that goes when it goes; not pools, and not what it shares with the process that forked it."""
    max_rss_bytes: int = 0


def usage_of(pid: int | str = "self") -> Usage:
    """Return what a process uses; nothing if it has gone."""
    folder = Path("/proc") / str(pid)
    with suppress(OSError, ValueError, IndexError):
        fields = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()
        cpu_s = (int(fields[11]) + int(fields[12])) * _TICK_S
        private = _kilobytes(folder / "smaps_rollup", ("Private_Clean:", "Private_Dirty:"))
        peak = _kilobytes(folder / "status", ("VmHWM:",))
        return Usage(cpu_s=cpu_s, private_bytes=private * 1024, max_rss_bytes=peak * 1024)
    return Usage()


def _kilobytes(path: Path, names: tuple[str, ...]) -> int:
    return sum(int(line.split()[1]) for line in path.read_text().splitlines() if line.startswith(names))
