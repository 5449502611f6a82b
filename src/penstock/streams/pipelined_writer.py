"""A writer that can have several appends on their way, for stores that are some time away."""

from abc import abstractmethod
from collections.abc import Callable, Sequence

from penstock.core.block import Block
from penstock.errors import PenstockError
from penstock.streams.store import Encoding, StreamWriter

__all__ = ["PipelinedWriter", "Told"]

Told = Callable[[PenstockError | None], None]
"""Is told, once, why something could not be done; ``None`` when it is done."""


class PipelinedWriter(StreamWriter):
    """A writer whose appends need not be waited for; they are done in their order."""

    @abstractmethod
    def append_soon(self, block: Block, encodings: Sequence[Encoding | None], told: Told) -> None:
        """Send messages on their way, as ``append`` does, and return.

        Parameters
        ----------
        block
            None of its arrays may be changed before ``told`` is called.
        told
            Called when readers see all of them, or with what ``append`` would raise; from any thread, which it must not
            keep.

        Raises
        ------
        PenstockError
            What can be seen at once; then ``told`` is not called.
        """
