"""Decoders by name: those there are, and users' own."""

from pathlib import Path

from penstock.core.decoder import Decoder, Traits
from penstock.elements.user_modules import find_class
from penstock.errors import CheckError, Problem
from penstock.protocols import decoder_named

__all__ = ["find_decoder", "new_decoder"]


def find_decoder(protocol: str, folder: Path) -> type[Decoder]:
    """Return the decoder of a protocol.

    Parameters
    ----------
    protocol
        Such as ``stins``, or ``module:class`` of any other.
    folder
        Where its module is looked for first.

    Raises
    ------
    CheckError
        With one problem: there is none, it cannot be imported, or it is not whole.
    """
    if ":" not in protocol:
        try:
            return decoder_named(protocol)
        except ValueError as error:
            raise CheckError([Problem(where="", text=str(error))]) from error
    found: type[Decoder] = find_class(protocol, folder, Decoder, "penstock.elements")
    traits: object = getattr(found, "traits", None)
    if not isinstance(traits, Traits):
        remedy = 'write traits = Traits(socket=...), with "pull", "sub" or "tcp"'
        raise CheckError([Problem(where=protocol, text=f"{found.__name__} has no traits", remedy=remedy)])
    return found


def new_decoder(protocol: str, folder: Path) -> Decoder:
    """Return a decoder for one connection; arguments and errors are those of `find_decoder`."""
    kind = find_decoder(protocol, folder)
    try:
        return kind()
    except Exception as error:  # it may be user code
        text = f"{kind.__name__} could not be made: {type(error).__name__}: {error}"
        raise CheckError([Problem(where=protocol, text=text, remedy="a decoder is made without arguments")]) from error
