"""What a client of a store server waits for: an answer, a writer that stays open, a feed of blocks.

Each can be said again over a new connection, so that nothing is lost when one breaks; what may have been
done already is said in a way that doing it twice is the same as once.
"""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from penstock.errors import PenstockError, RemoteProtocolError, ServiceError
from penstock.transport.link import Piece
from penstock.wire import stream_requests as say
from penstock.wire.refusals import error_of
from penstock.wire.stream_frames import Frame

__all__ = ["AwayError", "Call", "OnceCall", "OpenCall", "away"]


class AwayError(ServiceError):
    """The server was not reached in time."""


class Call(ABC):
    """Something that was asked for."""

    number = 0
    """Given when it is first sent."""
    body: Sequence[Piece] = ()
    """Kept as long as it may have to be sent again."""
    nbytes = 0
    """Of the body."""
    is_kept = False
    """Whether it stays open after its first answer."""

    @abstractmethod
    def head(self, *, is_again: bool) -> say.Request:
        """Return what is said, for the first time or again."""

    @abstractmethod
    def answered(self, answer: say.Answer, frame: Frame) -> bool:
        """Take an answer, in the thread that receives; return whether that was the last one."""

    @abstractmethod
    def failed(self, error: PenstockError) -> None:
        """Take that there will be no answer any more."""


class OnceCall(Call):
    """A request with one answer.

    Parameters
    ----------
    request
        If it has a field ``is_again``, that is set when it is sent once more.
    body
        Pieces, which nobody may change before it is answered.
    then
        Called when ``result`` returns or raises at once, in a thread that it must not keep.
    """

    __slots__ = ("_answer", "_done", "_error", "_request", "_then", "body", "nbytes", "number")

    def __init__(
        self, request: say.Request, body: Sequence[Piece] = (), then: Callable[["OnceCall"], None] | None = None
    ) -> None:
        self.number = 0
        self.body = body
        self.nbytes = sum(map(len, body))
        self._then = then
        self._request = request
        self._done = threading.Event()
        self._answer: tuple[say.Answer, NDArray[np.uint8]] | None = None
        self._error: PenstockError | None = None

    @property
    def is_done(self) -> bool:
        """Whether ``result`` returns or raises at once."""
        return self._done.is_set()

    def head(self, *, is_again: bool) -> say.Request:
        """Return the request."""
        if is_again and isinstance(self._request, say.Append | say.SetMetadata | say.OpenWriter | say.Join):
            return msgspec.structs.replace(self._request, is_again=True)
        return self._request

    def answered(self, answer: say.Answer, frame: Frame) -> bool:
        """Take the answer."""
        if isinstance(answer, say.Refusal):
            self._error = error_of(answer)
        else:
            self._answer = answer, frame.body
        self._end()
        return True

    def failed(self, error: PenstockError) -> None:
        """Take that there is none."""
        self._error = error
        self._end()

    def _end(self) -> None:
        self.body = ()
        self._done.set()
        if self._then is not None:
            self._then(self)

    def result(self, timeout_s: float | None = None) -> tuple[say.Answer, NDArray[np.uint8]]:
        """Wait for the answer; return it with its body.

        Raises
        ------
        PenstockError
            As the server told.
        TimeoutError
            If it did not come in time; it may still.
        """
        if not self._done.wait(timeout_s):
            raise TimeoutError(f"no answer within {timeout_s:g} s")
        if self._error is not None:
            raise self._error
        assert self._answer is not None
        return self._answer

    def marks(self, timeout_s: float | None = None) -> say.Marks:
        """Wait for an answer that must be marks; raises as ``result`` does."""
        answer, _ = self.result(timeout_s)
        if not isinstance(answer, say.Marks):
            raise RemoteProtocolError(f"the server answered {type(answer).__name__}, not marks")
        return answer

    def done(self, timeout_s: float | None = None) -> tuple[msgspec.Raw, NDArray[np.uint8]]:
        """Wait for an answer that must be done; raises as ``result`` does."""
        answer, body = self.result(timeout_s)
        if not isinstance(answer, say.Done):
            raise RemoteProtocolError(f"the server answered {type(answer).__name__}, not done")
        return answer.value, body


class OpenCall(OnceCall):
    """A writer or membership: its first answer is waited for, and it is opened again over every new connection."""

    is_kept = True

    def __init__(self, request: say.OpenWriter | say.Join) -> None:
        super().__init__(request)
        self.trouble: PenstockError | None = None
        """Why it could not be opened again."""

    def answered(self, answer: say.Answer, frame: Frame) -> bool:
        """Take an answer, of the first time or a later one."""
        if not self.is_done:
            super().answered(answer, frame)
            return isinstance(answer, say.Refusal)
        if isinstance(answer, say.Refusal):
            self.trouble = error_of(answer)
            return True
        return False

    def failed(self, error: PenstockError) -> None:
        """Take that it is not open any more."""
        if not self.is_done:
            super().failed(error)
        self.trouble = error


def away(address: str, patience_s: float, why: str) -> AwayError:
    """Return the error that says that a server cannot be reached."""
    return AwayError(
        f"{address} was not reached within {patience_s:g} s ({why}); "
        "see whether the server runs and the address is right"
    )
