"""How much memory may still be taken here: by the machine, and by the control groups this process is in.

Read before a pool is made, because Linux does not refuse too much shared memory: it kills somebody.
"""

import os
from collections.abc import Iterator
from pathlib import Path

__all__ = ["free_bytes"]


def free_bytes(proc: Path = Path("/proc"), groups: Path = Path("/sys/fs/cgroup")) -> int:
    """Return how many bytes can be taken now without swapping or being killed.

    An estimate of this moment: others take memory too. What the system does not tell counts as no limit.

    Parameters
    ----------
    proc, groups
        Where the kernel shows its tables.
    """
    found = [_available(proc / "meminfo"), *_left_in_groups(proc / "self" / "cgroup", groups)]
    return max(0, min(found))


_NO_LIMIT = 1 << 62


def _available(meminfo: Path) -> int:
    for line in _text(meminfo).splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return _NO_LIMIT


def _left_in_groups(membership: Path, groups: Path) -> Iterator[int]:
    """Yield what is left in this process's group and in every group around it."""
    for line in _text(membership).splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":  # version 2
            yield from _left(groups, path, "memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):  # version 1
            yield from _left(
                groups / "memory", path, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
            )


def _left(root: Path, path: str, limit_name: str, used_name: str, cache_name: str) -> Iterator[int]:
    folder = Path(os.path.normpath(f"{root}/{path}"))
    while folder.is_relative_to(root):
        limit, used = _number(folder / limit_name), _number(folder / used_name)
        if limit is not None and used is not None:
            yield limit - used + _cache(folder / "memory.stat", cache_name)
        folder = folder.parent


def _cache(stat: Path, name: str) -> int:
    """Return the bytes of files read long ago, which the kernel gives back before it refuses."""
    for line in _text(stat).splitlines():
        word, _, number = line.partition(" ")
        if word == name:
            return int(number)
    return 0


def _number(path: Path) -> int | None:
    text = _text(path).strip()
    return int(text) if text.isdecimal() else None  # "max" is no limit


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
