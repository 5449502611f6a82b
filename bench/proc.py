"""What Linux says of processes: who is whose child, what they have used. Only /proc is read, nobody is asked."""

import time
from collections.abc import Iterator
from pathlib import Path

__all__ = ["anonymous_bytes", "cpu_s", "family", "own_private_bytes", "rss_bytes", "wait_until_calm"]

PROC = Path("/proc")


def family(pid: int) -> list[int]:
    """Return a process and all its descendants that live."""
    found = [pid]
    for each in found:
        found.extend(_children(each))
    return found


def cpu_s(pids: list[int]) -> float:
    """Return the CPU time of some processes, all their threads, in s; who has ended counts nothing.

    To the nanosecond, where ``stat`` counts in ticks of 10 ms: five idle seconds would be a matter of rounding.
    """
    nanoseconds = 0
    for pid in pids:
        for task in _listed(PROC / str(pid) / "task"):
            nanoseconds += int(_text(task / "schedstat").partition(" ")[0] or 0)
    return nanoseconds / 1e9


def rss_bytes(pids: list[int]) -> int:
    """Return the resident memory of some processes, each with all it maps."""
    return sum(_status_bytes(pid, "VmRSS") for pid in pids)


def anonymous_bytes() -> int:
    """Return the resident memory of this process that is of no file."""
    return _status_bytes("self", "RssAnon")


def own_private_bytes() -> int:
    """Return the memory only this process has; pools are shared, whoever happens to be mapped there now."""
    total, counts = 0, True
    for line in (PROC / "self/smaps").read_text().splitlines():
        word, _, rest = line.partition(" ")
        if not word.endswith(":"):
            counts = "/memfd:" not in line
        elif counts and word in ("Private_Clean:", "Private_Dirty:"):
            total += int(rest.split()[0]) * 1024
    return total


def wait_until_calm(pid: int, *, timeout_s: float, calm_s: float = 1.0, enough: int = 2) -> list[int]:
    """Wait until the family of a process has not changed for a while, and return it.

    Raises
    ------
    TimeoutError
        If it goes on changing, or is smaller than ``enough``.
    """
    deadline, seen, since = time.monotonic() + timeout_s, [pid], time.monotonic()
    while time.monotonic() < deadline:
        now = family(pid)
        if now != seen:
            seen, since = now, time.monotonic()
        elif len(seen) >= enough and time.monotonic() - since >= calm_s:
            return seen
        time.sleep(0.05)
    raise TimeoutError(f"the processes of {pid} still come and go after {timeout_s:g} s: {seen}")


def _children(pid: int) -> Iterator[int]:
    for task in _listed(PROC / str(pid) / "task"):
        yield from map(int, _text(task / "children").split())


def _status_bytes(pid: int | str, name: str) -> int:
    for line in _text(PROC / str(pid) / "status").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return 0


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:  # it has just ended
        return []


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # likewise
        return ""
