"""Exceptions of user code on their way to the event builder."""

from collections.abc import Iterable

from penstock.errors import PenstockError, UserCodeError
from penstock.services.user_calls import Failure
from penstock.services.users_traceback import users_traceback
from penstock.wire.envelopes import Note

__all__ = ["failure_of", "note_of", "note_of_error"]

LONGEST = 16_384
"""Characters of a traceback that travel: the last ones, where it names its error."""


def note_of(failure: Failure) -> Note:
    """Return a failure as it travels."""
    return Note(failure.stage, failure.event, failure.cause[-LONGEST:], failure.traceback[-LONGEST:], failure.item)


def failure_of(note: Note) -> Failure:
    """Return a failure that has travelled."""
    return Failure(stage=note.stage, event=note.event, cause=note.cause, traceback=note.traceback, item=note.item)


def note_of_error(stage: str, error: PenstockError) -> Note | None:
    """Return what user code raised outside of any event, if that is what is behind an error."""
    cause = error.__cause__
    if not isinstance(error, UserCodeError) or cause is None:
        return None
    return Note(error.stage or stage, None, repr(cause)[-LONGEST:], users_traceback(cause)[-LONGEST:])


def notes_of(failures: Iterable[Failure]) -> tuple[Note, ...]:
    """Return failures as they travel."""
    return tuple([note_of(failure) for failure in failures])
