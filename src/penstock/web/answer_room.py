"""Memory for answers that are under way: so much at a time, however many ask and however slowly they read."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from penstock.errors import ServiceError

__all__ = ["AnswerRoom", "BusyError"]

MOST_UNSENT = 1 << 30
"""Bytes at a time: each answer is a copy that is kept until its reader has taken it."""


class BusyError(ServiceError):
    """Others are being sent so much that there is no room for more."""


class AnswerRoom:
    """Room for answers, which is held while one is made, and then until it is sent.

    Parameters
    ----------
    unsent
        Says how many bytes have been written for all clients, and wait for them to take them.
    """

    def __init__(self, unsent: Callable[[], int]) -> None:
        self._unsent = unsent
        self._copying = 0

    @contextmanager
    def taken(self, nbytes: int) -> Iterator[None]:
        """Hold room for an answer while it is made.

        Raises
        ------
        BusyError
            If there is not so much.
        """
        there_are = self._copying + self._unsent()
        if there_are + nbytes > MOST_UNSENT:
            raise BusyError(
                f"{nbytes:,} bytes are asked for, and {there_are:,} are being sent to others; {MOST_UNSENT:,} at a "
                "time: try again, or ask for a slice"
            )
        self._copying += nbytes
        try:
            yield
        finally:
            self._copying -= nbytes
