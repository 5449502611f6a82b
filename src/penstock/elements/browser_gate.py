"""Who may look at what an element serves to browsers: by token, or without one by being on this machine.

Without a token a page of another site is told apart by the host that it believes to talk to, and by its origin.
"""

import hmac
import socket
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qs, urlsplit

from penstock.elements.network_address import is_local
from penstock.errors import SinkError

__all__ = ["TOKEN_VARIABLE", "BrowserGate", "listening"]

TOKEN_VARIABLE: Final = "PENSTOCK_VIEWER_TOKEN"
"""Of the environment: a token in a pipeline's file could be read by everybody who has the file."""
PORTS: Final = 100
"""How many are tried."""


class BrowserGate:
    """Says why a request is refused.

    >>> gate = BrowserGate("127.0.0.1")
    >>> gate.refusal("/", {"Host": "127.0.0.1:8500"})
    (0, '')
    >>> gate.refusal("/", {"Host": "evil.example"})
    (403, 'this machine is not called "evil.example"; use 127.0.0.1, [::1], localhost')

    Parameters
    ----------
    host
        Where is listened.
    token
        Empty: there is none.
    """

    def __init__(self, host: str, token: str = "") -> None:
        self._token = token.encode()
        self._hosts = dict.fromkeys((host if ":" not in host else f"[{host}]", "127.0.0.1", "[::1]", "localhost"))

    def refusal(self, path: str, headers: Mapping[str, str]) -> tuple[int, str]:
        """Return HTTP's code of a refusal and what to say; 0 if there is none.

        Parameters
        ----------
        path
            With its query.
        headers
            Of the request.
        """
        host, origin = headers.get("Host", ""), headers.get("Origin", "")
        if origin and urlsplit(origin).netloc != host:
            return 403, f"a page of {origin[:100]} may not use this one"
        if not self._token:
            name = urlsplit(f"//{host}").netloc.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
            if name.lower() not in self._hosts:
                return 403, f'this machine is not called "{host[:100]}"; use {", ".join(self._hosts)}'
            return 0, ""
        scheme, _, given = headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            given = parse_qs(urlsplit(path).query).get("token", [""])[0]
        if hmac.compare_digest(given.strip().encode("utf-8", "replace"), self._token):
            return 0, ""
        return 401, 'a token is needed: "Authorization: Bearer TOKEN", or ?token=TOKEN'


def listening(host: str, port: int, token: str) -> socket.socket:
    """Return a socket that listens, at the next free port if somebody has this one.

    Parameters
    ----------
    host
        An address of this machine.
    port
        0: any.
    token
        What is asked for; empty: nothing.

    Raises
    ------
    SinkError
        If there is none to be had, or it would be open to other machines without a token.
    """
    if not is_local(host) and not token:
        raise SinkError(
            f"{host} can be reached from other machines: set {TOKEN_VARIABLE} to a token for those who may look, "
            "or listen on 127.0.0.1"
        )
    last: OSError | None = None
    for each in range(port, min(port + PORTS, 65536)) if port else [0]:
        try:
            return socket.create_server((host, each), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        except OSError as error:
            last = error
    assert last is not None
    tried = f"ports {port} to {port + PORTS - 1}" if port else "any port"
    raise SinkError(f"{host}: {tried} cannot be had: {last.strerror}; choose another with port") from last
