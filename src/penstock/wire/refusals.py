"""Errors between client and server of durable streams: a name, a text and a few facts, and the same error again."""

from typing import Final

from penstock import errors
from penstock.errors import IntegrityError, PenstockError, QueryError, ServiceError, StreamEndedError, StreamError
from penstock.wire.stream_requests import Refusal

__all__ = ["error_of", "refusal_of"]

_MOST_TEXT: Final = 8192
_TRAVELLING: Final = (
    *(StreamError, ServiceError, errors.StateError),
    *(errors.ResultTypeError, errors.RemoteProtocolError, errors.ParameterError),
)
_KNOWN: Final[dict[str, type[PenstockError]]] = {
    name: found
    for name in errors.__all__
    if isinstance(found := getattr(errors, name), type) and issubclass(found, _TRAVELLING)
}


def refusal_of(error: PenstockError) -> Refusal:
    """Return what tells the other side of an error; one that does not travel becomes a ``ServiceError``."""
    facts: dict[str, object] = {}
    if isinstance(error, StreamEndedError):
        facts = {"next_stream": error.next_stream, "state": error.state}
    elif isinstance(error, QueryError):
        facts = {"at": error.at}
    elif isinstance(error, IntegrityError):
        facts = {"after": error.after}
    name = next((kind.__name__ for kind in type(error).__mro__ if _KNOWN.get(kind.__name__) is kind), "ServiceError")
    return Refusal(name, str(error)[:_MOST_TEXT], facts)


def error_of(refusal: Refusal) -> PenstockError:
    """Return the error that was told of; an unknown name, or facts that do not belong to it, gives ``ServiceError``."""
    kind, facts, text = _KNOWN.get(refusal.kind, ServiceError), refusal.facts, refusal.text
    if kind is StreamEndedError and all(isinstance(facts.get(key), str) for key in ("next_stream", "state")):
        return StreamEndedError(text, next_stream=facts["next_stream"], state=facts["state"])
    if kind is QueryError and isinstance(facts.get("at"), int):
        return QueryError(text, at=facts["at"])
    if kind is IntegrityError and isinstance(facts.get("after"), int):
        return IntegrityError(text, after=facts["after"])
    return ServiceError(text) if kind in (StreamEndedError, QueryError, IntegrityError) else kind(text)
