"""Commands, acknowledgements and replies as JSON: one object a message, in UTF-8.

Whatever bytes come in, they become a command or a ``RemoteProtocolError`` that says what is wrong with them.
"""

from typing import Any, Final

import msgspec

from penstock.core.command import Acknowledgement, Command, Reply
from penstock.errors import RemoteProtocolError

__all__ = ["LONGEST", "Wish", "close_command", "close_word", "open_command", "open_word"]

LONGEST: Final = 1 << 20
"""Bytes of a command."""


class Wish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A command as it is written, with what lets its sender in."""

    name: str
    id: str = ""
    target: str = ""
    arguments: dict[str, Any] = {}
    who: str = ""
    token: str = ""

    @property
    def command(self) -> Command:
        """The command alone."""
        return Command(name=self.name, id=self.id, target=self.target, arguments=self.arguments, who=self.who)


_wishes: Final = msgspec.json.Decoder(Wish)
_words: Final[msgspec.json.Decoder[Acknowledgement | Reply]] = msgspec.json.Decoder(Acknowledgement | Reply)


def open_command(data: bytes) -> Wish:
    """Read a command.

    Raises
    ------
    RemoteProtocolError
        If it is none.
    """
    if len(data) > LONGEST:
        raise RemoteProtocolError(f"{len(data):,} bytes; a command has {LONGEST:,} at most")
    try:
        return _wishes.decode(data)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:  # the last of brackets without end
        why = "brackets within brackets without end" if isinstance(error, RecursionError) else str(error)
        raise RemoteProtocolError(
            f'this is no command ({why}); write JSON such as {{"id": "1", "name": "status"}}'
        ) from error


def close_command(command: Command, token: str = "") -> bytes:
    """Write a command.

    Raises
    ------
    TypeError
        If an argument is nothing that JSON can hold.
    """
    wish = Wish(
        name=command.name, id=command.id, target=command.target, arguments=command.arguments, who=command.who,
        token=token,
    )  # fmt: skip
    return msgspec.json.encode(wish)


def open_word(data: bytes) -> Acknowledgement | Reply:
    """Read what is answered.

    Raises
    ------
    RemoteProtocolError
        If it is no answer to a command.
    """
    try:
        return _words.decode(data)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise RemoteProtocolError(f"this is no answer to a command: {error}") from error


def close_word(word: Acknowledgement | Reply) -> bytes:
    """Write what is answered."""
    return msgspec.json.encode(word)
