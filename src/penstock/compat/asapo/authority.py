"""Who may do what: tokens of ours, as ASAPO's clients send them with every request, and its folder tokens.

A token is checked once, and then for a second taken at its word; what it allows is asked of each address. A data server
gets no token at all: it serves a machine what that machine was told of just before by a request that had one.
"""

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Final, TypeVar

import msgspec

from penstock.core.stream_address import StreamAddress
from penstock.errors import ServiceError
from penstock.services.stream_tokens import EVERYTHING, Grant, Right, Tokens

__all__ = ["Authority", "Folder"]

K = TypeVar("K")
V = TypeVar("V")

_LOOK_S: Final = 1.0
_MOST_KNOWN: Final = 4096
_FOLDER_S: Final = 600.0
_TOLD_S: Final = 3600.0


class Folder(msgspec.Struct, frozen=True):
    """What a folder token is bound to."""

    beamtime: str
    folder: str
    grant: Grant
    until: float


class Authority:
    """Used on one thread, but for ``issue_folder``.

    Parameters
    ----------
    tokens
        ``None``: everybody may do everything.
    """

    def __init__(self, tokens: Tokens | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._tokens, self._clock = tokens, clock
        self._lock = Lock()
        self._known: OrderedDict[str, tuple[Grant, float]] = OrderedDict()
        self._folders: OrderedDict[str, Folder] = OrderedDict()
        self._told: OrderedDict[tuple[str, StreamAddress], float] = OrderedDict()

    def check(self, token: str) -> Grant:
        """Return what a token allows now.

        Raises
        ------
        ServiceError
            If it is none, has expired or was taken back.
        """
        if self._tokens is None:
            return EVERYTHING
        known = self._known.get(token)
        now = self._clock()
        if known is not None and now - known[1] < _LOOK_S:
            return known[0]
        if known is None:
            grant = self._tokens.check(token)
        else:
            grant = known[0]
            self._tokens.check_still(grant)
        _put(self._known, token, (grant, now))
        return grant

    def allow(self, token: str, right: Right, address: StreamAddress) -> Grant:
        """Return what a token allows, which is this, too.

        Raises
        ------
        ServiceError
            If it does not.
        """
        grant = self.check(token)
        if not grant.allows(right, address):
            raise ServiceError(f"authorization: the token of {grant.name!r} does not allow to {right} {address}")
        return grant

    def tell(self, peer: str, source: StreamAddress) -> None:
        """Take note that a machine was told of messages of a source."""
        if self._tokens is not None:
            _put(self._told, (peer, source), self._clock())

    def was_told(self, peer: str, source: StreamAddress) -> bool:
        """Tell whether a machine was told of messages of a source."""
        if self._tokens is None:
            return True
        told = self._told.get((peer, source))
        return told is not None and self._clock() - told < _TOLD_S

    def issue_folder(self, beamtime: str, folder: str, grant: Grant) -> str:
        """Return a token for the files of a beamtime; it lasts ten minutes."""
        token = secrets.token_urlsafe(24)
        with self._lock:
            _put(self._folders, token, Folder(beamtime, folder, grant, self._clock() + _FOLDER_S))
        return token

    def folder(self, token: str) -> Folder:
        """Return what a folder token is bound to.

        Raises
        ------
        ServiceError
            If it is none, or has expired.
        """
        with self._lock:
            found = self._folders.get(token)
        if found is None or found.until < self._clock():
            raise ServiceError("authorization: the folder token has expired, or is none of this server")
        return found


def _put(known: "OrderedDict[K, V]", key: K, value: V) -> None:
    known[key] = value
    known.move_to_end(key)
    if len(known) > _MOST_KNOWN:
        known.popitem(last=False)
