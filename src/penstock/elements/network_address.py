"""Where an element may listen: at addresses of this machine only, unless its pipeline says that others may come in."""

import ipaddress
from collections.abc import Sequence

__all__ = ["check_listening", "is_local", "listed_addresses"]

Addresses = str | list[str] | None
"""As a pipeline writes them."""


def listed_addresses(written: str | Sequence[str] | None) -> list[str]:
    """Return addresses that were written as one text, as a list, or not at all."""
    if written is None:
        return []
    return [written] if isinstance(written, str) else list(written)


def is_local(host: str) -> bool:
    """Whether only programs on this machine can reach a host.

    >>> is_local("127.0.0.1"), is_local("[::1]"), is_local("localhost"), is_local("0.0.0.0"), is_local("*")
    (True, True, True, False, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_listening(addresses: Sequence[str], *, open_to_network: bool) -> None:
    """Make sure that nobody listens beyond this machine without saying so.

    Parameters
    ----------
    addresses
        ``tcp://``, ``ipc://`` or ``inproc://``.
    open_to_network
        Whether the pipeline says so.

    Raises
    ------
    ValueError
        If an address is open to others, and nobody said that it shall be.
    """
    for address in addresses:
        kind, _, rest = address.partition("://")
        if kind == "tcp" and not is_local(rest.rpartition(":")[0]) and not open_to_network:
            raise ValueError(
                f"{address} could be reached by every machine of the network, without a password; bind "
                f"tcp://127.0.0.1:{rest.rpartition(':')[2]}, or say open_to_network: true if all of them may be trusted"
            )
