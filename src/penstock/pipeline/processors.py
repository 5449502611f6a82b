"""The processors of this machine that we may use, how people write some of them, and how workers share them.

It only reads; who is to be pinned pins itself.
"""

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

__all__ = ["Processors", "read_cpus", "shared_out", "write_cpus"]

NODES = Path("/sys/devices/system/node")
"""Where Linux says which processors a NUMA node has: ``node0/cpulist``."""
MOST = 8192
"""Linux is never built for more processors (CONFIG_NR_CPUS on x86-64)."""


def read_cpus(text: str) -> tuple[int, ...]:
    """Return the processors that a text such as ``0,2-5`` names, in its order.

    The form is that of ``taskset`` and ``/sys``, without strides.

    Raises
    ------
    ValueError
        If it is of another form, runs backwards, or names one twice.

    Examples
    --------
    >>> read_cpus("0,2-5")
    (0, 2, 3, 4, 5)
    """
    found: list[int] = []
    for part in text.split(","):
        written = re.fullmatch(r"\s*(\d+)(?:\s*-\s*(\d+))?\s*", part, re.ASCII)
        if written is None:
            raise ValueError(f'"{part.strip()}" is no processor and no range of them')
        first, last = int(written[1]), int(written[2] or written[1])
        if last < first:
            raise ValueError(f'"{part.strip()}" runs backwards')
        if last >= MOST:
            raise ValueError(f"no machine has a processor {last}")
        found += range(first, last + 1)
    if twice := sorted({cpu for cpu in found if found.count(cpu) > 1}):
        raise ValueError(f"processor {twice[0]} is named twice")
    return tuple(found)


def write_cpus(cpus: Iterable[int]) -> str:
    """Return processors as ``read_cpus`` reads them.

    >>> write_cpus((0, 2, 3, 4, 5))
    '0,2-5'
    """
    numbered = enumerate(cpus)
    runs = [[cpu for _, cpu in run] for _, run in groupby(numbered, key=lambda pair: pair[1] - pair[0])]
    return ",".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def shared_out(cpus: Sequence[int], workers: int) -> tuple[tuple[int, ...], ...]:
    """Return for each worker the processors it may use.

    With enough for all, each has its own, and what is left stands behind for workers that come later; otherwise each
    may use all of them.

    Examples
    --------
    >>> shared_out((4, 5, 6), 2), shared_out((4, 5), 3)
    (((4,), (5,), (6,)), ((4, 5), (4, 5), (4, 5)))
    """
    if len(cpus) >= workers:
        return tuple((cpu,) for cpu in cpus)
    return (tuple(cpus),) * workers


@dataclass(frozen=True, slots=True, kw_only=True)
class Processors:
    """The processors of a machine, as far as this process may use them."""

    count: int
    """How many the machine has; the first is 0."""
    usable: frozenset[int]
    """Those that this process may use."""
    nodes: Path = NODES

    @classmethod
    def here(cls) -> "Processors":
        """Ask this machine."""
        return cls(count=os.cpu_count() or 1, usable=frozenset(os.sched_getaffinity(0)))

    def trouble(self, cpus: Iterable[int]) -> str:
        """Return why some processors cannot be used; empty if all can."""
        forbidden = [cpu for cpu in cpus if cpu not in self.usable]
        if not forbidden:
            return ""
        named = f"processor{'s' if len(forbidden) > 1 else ''} {write_cpus(forbidden)}"
        if missing := [cpu for cpu in forbidden if cpu >= self.count]:
            named = f"processor{'s' if len(missing) > 1 else ''} {write_cpus(missing)}"
            return f"this machine has no {named}"
        return f"{named} cannot be used by this process (see taskset, cgroups or the batch system)"

    def of_node(self, node: int) -> tuple[int, ...]:
        """Return the processors of a NUMA node that this process may use.

        Raises
        ------
        ValueError
            If there is no such node, or it has none for us.
        """
        try:
            text = (self.nodes / f"node{node}" / "cpulist").read_text().strip()
        except OSError:
            there = sorted(int(path.name[4:]) for path in self.nodes.glob("node*") if path.name[4:].isdigit())
            known = f"its nodes are {write_cpus(there)}" if there else "it names none"
            raise ValueError(f"this machine has no NUMA node {node}; {known}") from None
        mine = tuple(cpu for cpu in read_cpus(text) if cpu in self.usable) if text else ()
        if not mine:
            raise ValueError(f"this process may use no processor of NUMA node {node}, which has {text or 'none'}")
        return mine
