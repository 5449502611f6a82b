"""Addresses as people write them, checked before anything is opened."""

import re

from penstock.errors import SourceError

__all__ = ["address_problem", "check_address", "host_and_port"]

_TCP = re.compile(r"tcp://(?P<host>\[[0-9a-fA-F:.%\w]+\]|[^/:\s\[\]]+)(?::(?P<port>[^/:\s]*))?")


def address_problem(address: object) -> str:
    """Return what is wrong with an address and what would be right; empty if it can be tried.

    >>> address_problem("tcp://panda")
    'port missing in "tcp://panda"; write "tcp://panda:8888"'
    >>> address_problem("tcp://panda:8888")
    ''
    """
    if not isinstance(address, str) or not address:
        return f'an address is a text such as "tcp://detector:5556", not {address!r}'
    if "://" not in address:
        host = address if ":" in address else f"{address}:5556"
        return f'"{address}" does not say how it is reached; write "tcp://{host}"'
    kind, _, rest = address.partition("://")
    if kind in ("ipc", "inproc"):
        return "" if rest else f'name missing in "{address}"; write "{kind}://name"'
    found = _TCP.fullmatch(address)
    if kind != "tcp" or not found:
        return f'"{address}" is no address that can be reached; write one such as "tcp://detector:5556"'
    port = found["port"]
    if not port:
        return f'port missing in "{address}"; write "tcp://{found["host"]}:8888"'
    if not port.isdecimal() or not int(port) < 65536:
        return f'port {port!r} in "{address}" is not a number from 0 to 65535'
    return ""


def check_address(address: str) -> str:
    """Return the address.

    Raises
    ------
    SourceError
        If it cannot be one; the text says what would be right.
    """
    if problem := address_problem(address):
        raise SourceError(problem)
    return address


def host_and_port(address: str) -> tuple[str, int]:
    """Return host and port of a ``tcp://`` address.

    Raises
    ------
    SourceError
        If it is none.
    """
    found = _TCP.fullmatch(check_address(address))
    if not found:
        raise SourceError(f'"{address}" is not reached over TCP; write one such as "tcp://panda:8888"')
    return found["host"].strip("[]"), int(found["port"])
