"""Routes: where the events of one batch must go, in columns.

A trigger map writes them, the dispatcher reads them. Routes name constraints and tags, never real workers.
"""

from typing import Final

import msgspec
import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from penstock.core.block import Rows

__all__ = ["ALL", "GENERIC", "NOWHERE", "Routes"]

ALL: Final = -1
"""In ``Routes.constraint``: a copy for every worker that has the tags."""
NOWHERE: Final = -2
"""In ``Routes.constraint``: no entry; an event with nothing else goes to nobody."""
GENERIC: Final = frozenset({"generic"})
"""The tags of a worker, and of an entry, that says nothing of tags."""


class Routes(msgspec.Struct, frozen=True, kw_only=True, eq=False, gc=False):
    """The destinations of n events, up to k entries each.

    An event is delivered once to each worker that at least one of its entries names, with the parts of all entries
    that name this worker. A batch without routes may go to any worker.
    """

    constraint: NDArray[np.int64]
    """(k, n): 0 or above, equal numbers go to the same worker and are never used again for something else within a
    run; or ``ALL``; or ``NOWHERE``."""
    tags_code: NDArray[np.int16] | None = None
    """(k, n), index into ``tag_sets``; of a constraint, the first occurrence counts. ``None``: all 0."""
    tag_sets: tuple[frozenset[str], ...] = (GENERIC,)
    """Workers qualify if they have all these tags; compared by index, so the same for all batches of a join."""
    streams: NDArray[np.uint64] | None = None
    """(k, n), bit s: this entry delivers the part of the join's stream s. Bits of absent parts do not matter: set
    them, so that events stay whole. ``None``: every entry delivers the whole event."""
    width: int = 0
    """Streams of the join, at most 64; only needed with ``streams``."""
    horizon: int = 0
    """No later batch names a constraint below this one, so their bindings can be forgotten."""

    def __len__(self) -> int:
        return int(self.constraint.shape[1])

    def take(self, rows: Rows) -> "Routes":
        """Return the routes of some events, sharing memory where ``rows`` is a slice."""
        return replace(
            self,
            constraint=self.constraint[:, rows],
            tags_code=None if self.tags_code is None else self.tags_code[:, rows],
            streams=None if self.streams is None else self.streams[:, rows],
        )

    def only(self, tags: frozenset[str]) -> "Routes":
        """Return the entries that workers with these tags can serve; the others are somebody else's."""
        able = np.array([wanted <= tags for wanted in self.tag_sets])
        if able.all():
            return self
        codes = np.zeros(self.constraint.shape, np.int16) if self.tags_code is None else self.tags_code
        return replace(self, constraint=np.where(able[codes], self.constraint, NOWHERE))

    @property
    def whole(self) -> np.uint64:
        """The mask of a whole event."""
        return np.uint64((1 << self.width) - 1)
