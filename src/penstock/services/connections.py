"""Who is connected to a port of this machine, as the kernel says: for servers whose libraries do not tell."""

from pathlib import Path
from typing import Final

__all__ = ["connections_of"]

_ESTABLISHED: Final = "01"


def connections_of(port: int) -> int:
    """Return how many connections a TCP server of this machine has, over IPv4."""
    ends_with = f":{port:04X}"
    lines = [line.split() for line in Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]]
    return sum(words[1].endswith(ends_with) and words[3] == _ESTABLISHED for words in lines)
