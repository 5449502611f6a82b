"""A source whose library hears the instrument in threads of its own: EPICS and Tango have that in common.

What they hear is decoded by who reads, never in their threads.
"""

import logging
import time
from abc import abstractmethod
from typing import Any, Final

from penstock.core.block_builder import MAX_BYTES, MAX_MESSAGES
from penstock.core.message import Message
from penstock.elements.arrivals import Arrivals
from penstock.elements.source import Reading, Source
from penstock.errors import RemoteProtocolError, SourceError

__all__ = ["HeardSource"]

_LOG: Final = logging.getLogger("penstock.elements")

Heard = tuple[int, str, Any]
"""When it was received (nanoseconds UTC), what said it, and what it said, as its library has it."""


class HeardSource(Source):
    """Read what is heard of one or several names. A subclass listens, and makes messages of what comes.

    A name that is lost is heard again as soon as it is back; both are told to the log.

    Parameters
    ----------
    names
        What is listened to, such as process variables.
    connect_s
        How long it may take until all of them are heard for the first time, in s; 0 waits for ever.
    ahead_MB
        How much may lie unread, in MB; what comes then is lost, and counted.

    Raises
    ------
    ValueError
        If there is no name, an empty one, or one twice, or a number is below 0.
    """

    def __init__(self, names: str | list[str], *, connect_s: float, ahead_MB: float) -> None:
        self.names = [names] if isinstance(names, str) else list(names)
        """What is listened to."""
        if not self.names or not all(self.names):
            raise ValueError(f"{names!r} is no name, and no list of names")
        if len(set(self.names)) < len(self.names):
            raise ValueError(f"{names!r} has a name twice; write each once")
        if connect_s < 0 or ahead_MB <= 0:
            raise ValueError(f"connect_s is {connect_s}, ahead_MB {ahead_MB}; write 0 or more, and more than 0")
        self._connect_s = connect_s
        self._ahead_bytes = int(ahead_MB * 1e6)
        self._arrivals: Arrivals[Heard] | None = None
        self._deadline = 0.0
        self._refusal = ""
        self._unheard: set[str] = set(self.names)
        """What has never been heard."""
        self._away: set[str] = set()
        """What was heard, and is lost now."""
        self._over: set[str] = set()
        """What will never be heard again."""

    @abstractmethod
    def listen(self) -> None:
        """Begin to listen, without waiting; `hear`, `miss`, `refuse` and `finish` are called by any thread then.

        Raises
        ------
        MissingExtraError
            If a library is not installed.
        SourceError
            If it cannot be tried.
        """

    @abstractmethod
    def deafen(self) -> None:
        """Listen no more, and leave no thread behind; may be called twice, and without `listen`."""

    @abstractmethod
    def message_of(self, name: str, said: Any, received_ns: int) -> Message | None:
        """Return the message of what was heard, or ``None`` if it rightly carries nothing.

        Raises
        ------
        RemoteProtocolError
            If it cannot be read.
        SourceError
            If nothing of that name ever will be.
        """

    @abstractmethod
    def not_reached(self, names: list[str]) -> str:
        """Return why nothing was heard of these, and what would be right."""

    def seek(self) -> None:
        """Look for what is not heard now; called about every 0.1 s while something is not."""

    # For the threads of the library.

    def hear(self, name: str, said: Any, nbytes: int = 0) -> None:
        """Take what was heard."""
        if (arrivals := self._arrivals) is not None:
            if name in self._away:
                self._away.discard(name)
                _LOG.warning("%s: %s is heard again", self.stream, name)
            self._unheard.discard(name)
            arrivals.put((time.time_ns(), name, said), nbytes)

    def miss(self, name: str, why: str) -> None:
        """Note that something is heard no more, for now."""
        if name not in self._away and name not in self._unheard:
            self._away.add(name)
            _LOG.warning("%s: %s is heard no more: %s; it is looked for", self.stream, name, why)

    def refuse(self, name: str, why: str) -> None:
        """Note that something will never be heard, so that the source has failed."""
        self._refusal = f"{name}: {why}"
        if (arrivals := self._arrivals) is not None:
            arrivals.wake()

    def finish(self, name: str) -> None:
        """Note that something has said all that it had to say."""
        self._over.add(name)
        if (arrivals := self._arrivals) is not None:
            arrivals.wake()

    # For who reads.

    @property
    def pollable(self) -> int | None:
        """A file descriptor."""
        return self._arrivals.pollable if self._arrivals is not None else None

    def open(self) -> None:
        """Begin to listen; see the base."""
        self._arrivals = Arrivals(self._ahead_bytes)
        self._deadline = time.monotonic() + self._connect_s
        try:
            self.listen()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Listen no more."""
        self.deafen()
        if self._arrivals is not None:
            self._arrivals.close()
        self._arrivals = None

    def read(self, now_ns: int) -> Reading:
        """Take what lies ready; see the base."""
        arrivals = self._arrivals
        if arrivals is None:
            return Reading()
        self._look()
        is_over = len(self._over) == len(self.names)  # before what has come is taken
        heard = arrivals.take(MAX_MESSAGES, MAX_BYTES)
        messages, unparsable, filtered = self._decoded(heard)
        lost = arrivals.new_losses()
        unparsable += [f"came while {self._ahead_bytes / 1e6:g} MB lay unread (ahead_MB)"] * lost
        return self.reading(
            messages, now_ns, unparsable=unparsable, filtered=filtered, ended=is_over and not heard and not lost
        )

    def _decoded(self, heard: list[Heard]) -> tuple[list[Message], list[str], int]:
        messages: list[Message] = []
        unparsable: list[str] = []
        for received_ns, name, said in heard:
            try:
                message = self.message_of(name, said, received_ns)
            except RemoteProtocolError as error:
                unparsable.append(f"{name}: {error}")
                continue
            if message is not None:
                messages.append(message)
        return messages, unparsable, len(heard) - len(messages) - len(unparsable)

    def _look(self) -> None:
        """See whether everything is heard that should be."""
        if self._refusal:
            raise SourceError(self._refusal)
        if self._unheard or self._away:
            self.seek()
        if self._unheard and self._connect_s and time.monotonic() > self._deadline:
            raise SourceError(self.not_reached(sorted(self._unheard)))
