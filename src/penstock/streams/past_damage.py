"""Reads what can be read of a stream, and says of the rest what is wrong with it."""

from collections.abc import Callable, Iterator

from penstock.errors import IntegrityError
from penstock.streams.store import StoredBlock, StreamReader

__all__ = ["blocks_past_damage"]


def blocks_past_damage(
    reader: StreamReader, tell: Callable[[IntegrityError], object], position: int = 0
) -> Iterator[StoredBlock]:
    """Yield what is there now, in the order of arrival, and leave out what is damaged.

    Parameters
    ----------
    tell
        Called for each damage.
    position
        From the message of this position on.
    """
    while True:
        try:
            yield from reader.blocks(position)
        except IntegrityError as error:
            tell(error)
            if error.after <= position:
                return
            position = error.after
        else:
            return
