"""What is wrong with a decoder that raised what it may not, or gave what is no message."""

from penstock.core.decoder import Decoder
from penstock.core.message import flaw_of
from penstock.errors import UserCodeError

__all__ = ["decoder_mistake"]

_BUILDERS = ("penstock.core.block_builder", "penstock.core.block")
_TESTS = "penstock.testing.DecoderTests find such mistakes before a run does"


def decoder_mistake(decoder: Decoder, given: object, error: Exception, stream: str) -> UserCodeError:
    """Return the error that says so to its author.

    Parameters
    ----------
    decoder
        Whose mistake it is.
    given
        The last thing it gave, ``None`` if that is not known.
    error
        What was raised, by it or with what it gave.
    stream
        Of the source that has it.
    """
    name, raised = type(decoder).__name__, f"{type(error).__name__}: {error}"
    inner = error.__traceback__.tb_next if error.__traceback__ is not None else None
    if inner is None:
        text = (
            f"{name}.feed gave nothing that can be gone through ({raised}); yield messages, or return iter([message])"
        )
    elif inner.tb_frame.f_globals.get("__name__") in _BUILDERS:
        text = f"{name}.feed gave a message that is none: {(given is not None and flaw_of(given)) or raised}; {_TESTS}"
    else:
        remedy = "for a packet that breaks the protocol raise RemoteProtocolError: it is counted, and the next one read"
        text = f"{name} raised {raised}; {remedy}"
    return UserCodeError(f"source {stream}: {text}", stage=stream)
