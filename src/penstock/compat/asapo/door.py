"""The door for ASAPO's clients, as ``penstock serve`` and pipelines open it."""

from penstock.compat.asapo.beamtimes import Places
from penstock.compat.asapo.server import AsapoServer
from penstock.errors import StreamError
from penstock.services.stream_tokens import Tokens
from penstock.streams.store import Store

__all__ = ["open_door"]


def open_door(
    store: Store, host: str, port: int, *, tokens: Tokens | None, offline: str = "", online: str = ""
) -> AsapoServer:
    """Return a server of a store, not entered yet.

    Parameters
    ----------
    offline, online
        Patterns of the folders of beamtimes and of beamlines, as ``Places`` takes them; nothing: no files are written.

    Raises
    ------
    ServiceError
        If other machines could connect and there are no tokens.
    StreamError
        If a pattern is none.
    """
    if online and not offline:
        raise StreamError("where beamlines have folders is said, and not where beamtimes have them; say that, too")
    places = Places(offline=offline, online=online) if offline else None
    return AsapoServer(store, host, port, tokens=tokens, places=places)
