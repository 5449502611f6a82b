"""A message whose buffers came compressed: bytes until somebody asks for the array, and then decoded once."""

from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec.structs import replace
from numpy.typing import NDArray

from penstock.core.codecs import decoded
from penstock.core.message import Message
from penstock.errors import DecodingError

__all__ = ["EncodedMessage", "encoded_message", "with_array"]

_ARRAY: Final[Any] = vars(Message)["array"]
_MORE: Final[Any] = vars(Message)["more"]
"""What holds the fields, which the properties below hide."""


class EncodedMessage(Message, frozen=True, gc=False, eq=False):
    """A message as readers get it, of which ``encodings`` names at least one.

    ``array`` and ``more`` are the arrays, ``buffers`` the bytes as they came.
    """

    stream: str = ""
    """Whose it is, for the text of errors; empty if nobody knows."""
    decoded: dict[int, NDArray[Any]] = msgspec.field(default_factory=dict)
    """By the number of the buffer, those that somebody has asked for."""

    def _first(self) -> Any:
        """Return the first buffer, decoded; see `Message.array`.

        Raises
        ------
        DecodingError
            If it cannot be decoded; the text names stream, frame and codec.
        MissingExtraError
            If the libraries are not installed.
        """
        return self._array(0, _ARRAY.__get__(self))

    def _further(self) -> tuple[NDArray[Any], ...]:
        """Return the further buffers, decoded; raises what ``array`` does."""
        return tuple([self._array(number, buffer) for number, buffer in enumerate(_MORE.__get__(self), 1)])

    if not TYPE_CHECKING:  # to mypy a field can be hidden by a field only
        array = property(_first)
        more = property(_further)

    @property
    def buffers(self) -> tuple[NDArray[Any], ...]:
        """All buffers as they came; see `Message.buffers`."""
        array = _ARRAY.__get__(self)
        return () if array is None else (array, *_MORE.__get__(self))

    def as_it_came(self) -> Message:
        """Return the message that a decoder gave; see `Message.as_it_came`."""
        return Message(
            self.id, self.key, self.timestamp_ns, self.metadata, _ARRAY.__get__(self), _MORE.__get__(self), self.kind,
            self.encodings,
        )  # fmt: skip

    def _array(self, number: int, buffer: Any) -> Any:  # an array, or None
        encoding = self.encodings[number] if number < len(self.encodings) else None
        if encoding is None or buffer is None:
            return buffer
        found = self.decoded.get(number)
        if found is None:
            try:
                found = self.decoded[number] = decoded(buffer, encoding)
            except DecodingError as error:
                raise DecodingError(f"{self._place(number)}: {error}") from error.__cause__
        return found

    def _place(self, number: int) -> str:
        words = [f"stream {self.stream}"] if self.stream else []
        words.append(f"message {self.id}" if self.key is None else f"frame {self.key} (message {self.id})")
        return ", ".join(words + ([f"buffer {number}"] if number else []))


def encoded_message(message: Message, stream: str = "") -> Message:
    """Return the message as readers get it: a decoder's, whose arrays are bytes, decodes them when they are asked for.

    >>> from penstock.core.codecs import encoded
    >>> import numpy as np
    >>> payload, encoding = encoded(np.arange(4), "zstd")
    >>> message = encoded_message(Message(array=payload, encodings=(encoding,)))
    >>> message.array.tolist(), message.buffers[0] is payload
    ([0, 1, 2, 3], True)
    """
    if isinstance(message, EncodedMessage) or not any(message.encodings):
        return message
    return EncodedMessage(
        message.id, message.key, message.timestamp_ns, message.metadata, message.array, message.more, message.kind,
        message.encodings, stream,
    )  # fmt: skip


def with_array(message: Message, array: Any) -> Message:
    """Return a message with another array in the place of its first buffer."""
    plain = message.as_it_came()
    stream = message.stream if isinstance(message, EncodedMessage) else ""
    rest = plain.encodings[1:]
    return encoded_message(replace(plain, array=array, encodings=(None, *rest) if any(rest) else ()), stream)
