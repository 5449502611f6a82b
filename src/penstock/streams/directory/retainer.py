"""One thread of a store that removes what is too much when a segment is full, so that no append waits for it."""

import logging
import threading
from collections.abc import Callable
from typing import Final

from penstock.core.retention import Retained
from penstock.core.stream_address import StreamAddress
from penstock.errors import StreamError

__all__ = ["Retainer"]

_LOG: Final = logging.getLogger("penstock.retention")


class Retainer:
    """Looks at streams when it is asked to; there is a thread only once somebody has asked.

    What keeps it from removing what is too much is logged, once until that changes.

    Parameters
    ----------
    retain
        Removes what is too much of a stream, by what was said of it.
    """

    def __init__(self, retain: Callable[[StreamAddress], Retained]) -> None:
        self._retain = retain
        self._awake = threading.Condition()
        self._due: dict[StreamAddress, None] = {}
        self._is_ending = False
        self._thread: threading.Thread | None = None
        self._said: dict[StreamAddress, object] = {}

    def ask(self, address: StreamAddress) -> None:
        """Have a stream looked at soon; asked again before that, it is looked at once."""
        with self._awake:
            if self._is_ending:
                return
            self._due[address] = None
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="stream-retainer", daemon=True)
                self._thread.start()
            self._awake.notify()

    def now(self, address: StreamAddress) -> Retained:
        """Look at a stream at once; raises as what looks does."""
        return self._retain(address)

    def _run(self) -> None:
        while (address := self._next()) is not None:
            try:
                retained = self.now(address)
            except (StreamError, OSError) as error:
                self._say(address, str(error), error)
            else:
                what = tuple(hold.group for hold in retained.held_by), retained.unread > 0
                self._say(address, what, retained, is_worth_it=any(what))

    def _next(self) -> StreamAddress | None:
        with self._awake:
            self._awake.wait_for(lambda: self._due or self._is_ending)
            if not self._due:
                return None
            address = next(iter(self._due))
            del self._due[address]
            return address

    def _say(self, address: StreamAddress, what: object, text: object, *, is_worth_it: bool = True) -> None:
        if is_worth_it and self._said.get(address) != what:
            _LOG.warning("%s: %s", address, text)
        self._said[address] = what

    def close(self) -> None:
        """End the thread, when all that is due is done."""
        with self._awake:
            self._is_ending = True
            self._awake.notify()
        if self._thread is not None:
            self._thread.join()
