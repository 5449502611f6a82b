"""The instruments' own protocols, one pure codec a file: bytes to messages and back."""

from importlib import import_module

from penstock.core.decoder import Decoder

__all__ = ["DECODERS", "decoder_named"]

DECODERS = {
    "albaem": "penstock.protocols.albaem:AlbaemDecoder",
    "bluesky": "penstock.protocols.bluesky:BlueskyDecoder",
    "contrast": "penstock.protocols.contrast:ContrastDecoder",
    "dectris": "penstock.protocols.dectris:DectrisDecoder",
    "eiger": "penstock.protocols.eiger:EigerDecoder",
    "lecroy": "penstock.protocols.lecroy:LecroyDecoder",
    "pandabox": "penstock.protocols.pandabox:PandaboxDecoder",
    "pandabox-framed": "penstock.protocols.pandabox:PandaboxFramedDecoder",
    "pandabox-unframed": "penstock.protocols.pandabox:PandaboxUnframedDecoder",
    "pandabox-zmq": "penstock.protocols.pandabox_zmq:PandaboxZmqDecoder",
    "sardana": "penstock.protocols.sardana:SardanaDecoder",
    "stins": "penstock.protocols.stins:StinsDecoder",
    "xspress3": "penstock.protocols.xspress3:Xspress3Decoder",
}
"""Where each decoder is; they are imported when they are asked for."""


def decoder_named(protocol: str) -> type[Decoder]:
    """Return the decoder class of one of `DECODERS`.

    Raises
    ------
    ValueError
        If there is none of that name; the text lists those there are.
    """
    if protocol not in DECODERS:
        raise ValueError(f"no protocol is called {protocol!r}; there are {', '.join(DECODERS)}, or write module:class")
    module, _, name = DECODERS[protocol].partition(":")
    found: type[Decoder] = getattr(import_module(module), name)
    return found
