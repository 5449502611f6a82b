"""What the web process asks of the supervisor, and what is answered: short words with JSON in them, cut into pieces.

An answer may be longer than a link takes: pieces follow each other, and the last one says that it is the last.
"""

from collections.abc import Iterator

import msgspec

from penstock.errors import RemoteProtocolError

__all__ = ["Answer", "Pieces", "Question", "open_answer", "open_question", "pieces"]

_LAST, _MORE = b".", b"+"


class Question(msgspec.Struct, array_like=True, frozen=True, gc=False, forbid_unknown_fields=True):
    """One wish of somebody who looks at the run, or turns something."""

    number: int
    """The answer has the same."""
    what: str
    """``status``, ``parameters``, ``parameter-changes``, ``set``, ``scale``, ``maps``, ``extend``, ``alarms``,
    ``acknowledge``, ``mute``, ``stop``, ``runs``, ``run``, ``start``, ``command``, ``commands``, ``states``,
    ``notices``, ``journal``, ``feedback``, ``history``, ``replays``, ``replay`` or ``end-replay``."""
    body: msgspec.Raw = msgspec.Raw(b"null")
    """JSON."""


class Answer(msgspec.Struct, array_like=True, frozen=True, gc=False, forbid_unknown_fields=True):
    """What became of a question; number 0 answers none and tells how the run stands, after its end."""

    number: int
    problem: str
    """Empty, or ``unknown``, ``refused`` or ``ended``; of number 0, ``feedback`` says that there is some."""
    body: msgspec.Raw
    """JSON; of a problem, its text."""


_questions = msgspec.json.Decoder(Question)
_answers = msgspec.json.Decoder(Answer)


def open_question(data: bytes) -> Question:
    """Read a question.

    Raises
    ------
    RemoteProtocolError
        If it is none.
    """
    try:
        return _questions.decode(data)
    except msgspec.MsgspecError as error:
        raise RemoteProtocolError(f"no question of a web process: {error}") from error


def open_answer(data: bytes) -> Answer:
    """Read an answer; raises as ``open_question``."""
    try:
        return _answers.decode(data)
    except msgspec.MsgspecError as error:
        raise RemoteProtocolError(f"no answer of a supervisor: {error}") from error


def pieces(word: Question | Answer, most: int) -> Iterator[bytes]:
    """Yield a word as messages of at most so many bytes."""
    data = msgspec.json.encode(word)
    size = most - 1
    for start in range(0, len(data), size):
        flag = _LAST if start + size >= len(data) else _MORE
        yield flag + data[start : start + size]


class Pieces:
    """What has come of a word so far."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def take(self, message: bytes) -> bytes | None:
        """Take a message; return the word if it is whole.

        Raises
        ------
        RemoteProtocolError
            If it is no piece of one.
        """
        if message[:1] not in (_LAST, _MORE):
            raise RemoteProtocolError(f"{len(message)} bytes that are no piece of a word")
        self._parts.append(message[1:])
        if message[:1] == _MORE:
            return None
        word, self._parts = b"".join(self._parts), []
        return word
