"""What sources over a socket have in common: a decoder, which says what they are."""

from typing import Any, ClassVar

from penstock.core.decoder import Decoder, declared_traits
from penstock.elements.source import Source

__all__ = ["InstrumentSource"]


class InstrumentSource(Source):
    """Decode what one socket brings. A subclass names its ``decoder``, and has its traits."""

    decoder: ClassVar[type[Decoder]]
    """The class; each source makes one of its own."""
    sockets: ClassVar[tuple[str, ...]] = ()
    """Those that it can be received by, as `Traits.socket` names them."""

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        if "decoder" in vars(cls):
            traits = declared_traits(cls, cls.sockets)
            if "traits" not in vars(cls):
                cls.traits = traits

    @classmethod
    def names_a_decoder(cls) -> bool:
        """Return whether there is anything to decode with."""
        return getattr(cls, "decoder", None) is not None
