"""What becomes of what a producer sends, as it is answered: never without the reason."""

from collections.abc import Callable
from typing import Final

import msgspec

from penstock.compat.asapo.refusals import fault, trouble_of
from penstock.compat.asapo.wire import Code
from penstock.errors import BeamtimeError, PenstockError

__all__ = ["DUPLICATE", "STORED", "Outcome", "Told", "outcome_of"]


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """What a producer is answered."""

    code: int
    text: str = ""
    trouble: str = ""
    """What keeps the server from it, for whoever runs it; empty if nothing does."""


STORED: Final = Outcome(Code.OK)
DUPLICATE: Final = Outcome(Code.WARNING, "duplicated request, ignored")

Told = Callable[[Outcome], None]


def outcome_of(error: Exception) -> Outcome:
    """Return what a producer is answered when something cannot be done."""
    # Never Code.INTERNAL: the client would try until its time is up, and then not tell why.
    if isinstance(error, BeamtimeError):
        # Another beamtime is current just now: the client connects anew, is told so, and sends again.
        return Outcome(Code.REAUTHORISE if error.is_passing else Code.REFUSED, str(error))
    if isinstance(error, PenstockError):
        return Outcome(Code.WRONG, str(error), trouble_of(error))
    if isinstance(error, OSError):
        return Outcome(Code.WRONG, f"the store cannot do it: {error.strerror or error}", trouble_of(error))
    return Outcome(Code.WRONG, fault(error))
