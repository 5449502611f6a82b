"""What is wrong with a decoder that raised what it may not, or gave what is no message."""

from penstock.core.decoder import Decoder
from penstock.core.message import flaw_of

__all__ = ["decoder_mistake"]

_BUILDERS = ("penstock.core.block_builder", "penstock.core.block")
_TESTS = "penstock.testing.DecoderTests find such mistakes before a run does"


def decoder_mistake(decoder: Decoder, given: object, error: Exception) -> str:
    """Return what is wrong, for its author.

    Parameters
    ----------
    decoder
        Whose mistake it is.
    given
        The last thing it gave, ``None`` if that is not known.
    error
        What was raised, by it or with what it gave.
    """
    name, raised = type(decoder).__name__, f"{type(error).__name__}: {error}"
    inner = error.__traceback__.tb_next if error.__traceback__ is not None else None
    is_ours = inner is None or inner.tb_frame.f_globals.get("__name__") in _BUILDERS
    if inner is None and given is None:
        return (
            f"{name}.feed gave nothing that can be gone through ({raised}); yield messages, or return iter([message])"
        )
    if is_ours:
        flaw = flaw_of(given) if given is not None else ""
        return f"{name}.feed gave a message that is none: {flaw or raised}; {_TESTS}"
    remedy = "for a packet that breaks the protocol raise RemoteProtocolError: it is counted, and the next one read"
    return f"{name} raised {raised}; {remedy}"
