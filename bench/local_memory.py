"""The smallest user code there is: it imports nothing but what looks at its own process."""

from bench.proc import own_private_bytes

__all__ = ["OwnMemory"]


class OwnMemory:
    """Says how much private memory its process had when it was made."""

    def __init__(self) -> None:
        self._bytes = own_private_bytes()

    def process(self, message: object) -> dict[str, int]:
        """Return it, whatever the message is."""
        del message
        return {"private_bytes": self._bytes}
