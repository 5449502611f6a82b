"""Where views are to be served, as people write it."""

from penstock.errors import ServiceError

__all__ = ["LOCAL", "PORT", "host_and_port"]

LOCAL = "127.0.0.1"
PORT = 8400


def host_and_port(written: int | str) -> tuple[str, int]:
    """Return host and port of ``8400``, ``host``, ``host:8400`` or ``[::1]:8400``.

    >>> host_and_port("0.0.0.0:8401"), host_and_port(9000), host_and_port("[::1]")
    (('0.0.0.0', 8401), ('127.0.0.1', 9000), ('::1', 8400))

    Raises
    ------
    ServiceError
        If it is written in another way.
    """
    text = str(written).strip()
    host, port = (LOCAL, text) if text.isdecimal() else (text, str(PORT))
    if not text.isdecimal() and not text.endswith("]") and ":" in text:
        host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or host.startswith("-") or not port.isdecimal() or int(port) > 65_535:
        raise ServiceError(f'"{text[:100]}" is no address; write PORT, HOST or HOST:PORT, such as 127.0.0.1:{PORT}')
    return host, int(port)
