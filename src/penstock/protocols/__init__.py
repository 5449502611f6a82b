"""The instruments' own protocols, one pure codec a file: bytes to messages and back."""

from importlib import import_module

from penstock.core.decoder import Decoder

__all__ = ["DECODERS", "decoder_named"]

DECODERS = {
    "contrast": "penstock.protocols.contrast:ContrastDecoder",
    "pandabox": "penstock.protocols.pandabox:PandaboxDecoder",
    "stins": "penstock.protocols.stins:StinsDecoder",
    "xspress3": "penstock.protocols.xspress3:Xspress3Decoder",
}
"""Where each decoder is; they are imported when they are asked for."""


def decoder_named(protocol: str) -> type[Decoder]:
    """Return the decoder class of a protocol: one of `DECODERS`, or any other written ``module:class``.

    Raises
    ------
    ValueError
        If there is none of that name; the text lists those there are.
    """
    module, colon, name = DECODERS.get(protocol, protocol).partition(":")
    try:
        found = getattr(import_module(module), name) if colon else None
    except (ImportError, AttributeError) as error:
        raise ValueError(f"the decoder {protocol!r} cannot be imported: {error}") from error
    if not (isinstance(found, type) and issubclass(found, Decoder)):
        raise ValueError(f"no protocol is called {protocol!r}; there are {', '.join(DECODERS)}, or write module:class")
    return found
