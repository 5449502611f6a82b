"""How much clients may have of a server."""

import msgspec

__all__ = ["Limits"]


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """As ``AsapoServer`` takes them."""

    most_clients: int
    """Connections in all."""
    most_strangers: int
    """Those of them that have not been let do anything yet."""
    hello_s: float
    """How long a stranger has time."""
    stall_s: float
    """How long a request may be on its way."""
    most_message_bytes: int
    """Of one payload."""
    most_bytes: int
    """Of all that are being received."""
