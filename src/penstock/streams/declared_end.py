"""The last id that a producer has named at the end of a stream, where not all up to it have come; kept in any store.

It lies as metadata at an address of its own, as what is said of retention does, and goes with the stream.
"""

from typing import Final

from penstock.core.stream_address import StreamAddress
from penstock.errors import StreamError
from penstock.streams.store import Store

__all__ = ["declare_last_id", "declared_address", "declared_last_id"]

ENDING: Final = " [last id]"


def declared_address(address: StreamAddress) -> StreamAddress:
    """Return where it is said, as metadata, with which id a stream was to end.

    Raises
    ------
    StreamError
        If the name of the stream is too long to have anything behind it.

    Examples
    --------
    >>> declared_address(StreamAddress("c2026", "eiger", "run 7"))
    StreamAddress('c2026/eiger/run 7 [last id]')
    """
    return StreamAddress(address.beamtime, address.source, f"{address.stream}{ENDING}")


def declared_last_id(store: Store, address: StreamAddress) -> int:
    """Return the last id that was declared of a stream; 0 if none was, or not one that has not come."""
    there = _room(address)
    said = None if there is None else store.metadata(there)
    last_id = (said or {}).get("last_id", 0)
    return last_id if isinstance(last_id, int) else 0


def declare_last_id(store: Store, address: StreamAddress, last_id: int) -> None:
    """Keep the last id of a stream that is about to end; of a stream whose name is very long, nothing is kept.

    Parameters
    ----------
    last_id
        0 takes back what was declared.
    """
    there = _room(address)
    if there is not None and (last_id or store.metadata(there) is not None):
        store.set_metadata(there, {"last_id": last_id})


def _room(address: StreamAddress) -> StreamAddress | None:
    try:
        return declared_address(address)
    except StreamError:
        return None
