"""Which sources and stages of a run are held, and which strands stand still therefore."""

from collections.abc import Sequence

from penstock.errors import PenstockError
from penstock.services.strands.feed import SourceFeed
from penstock.services.strands.parallel_feed import ParallelFeed
from penstock.services.strands.parts import MarkPart
from penstock.services.strands.strand import Strand

__all__ = ["Holds"]


class Holds:
    """What is held of the strands of one run, for one thread.

    Who is fused into a loop with others holds that loop; a parallel stage only gives nothing more to its workers, and
    what those have still comes out.

    Parameters
    ----------
    strands
        All of a run.
    """

    def __init__(self, strands: Sequence[Strand]) -> None:
        self._strands: dict[str, Strand] = {}
        self._feeds: dict[str, ParallelFeed] = {}
        self._kinds: dict[str, str] = {}
        self.names: set[str] = set()
        """Of what is held."""
        for strand in strands:
            if isinstance(strand.feed, SourceFeed):
                self._strands[strand.feed.name] = strand
                self._kinds[strand.feed.name] = "source"
            elif isinstance(strand.feed, ParallelFeed):
                self._feeds[strand.feed.stage.name] = strand.feed
                self._kinds[strand.feed.stage.name] = "stage"
            for part in strand.parts:
                if isinstance(part, MarkPart) and part.kind == "in":
                    self._strands[part.stage.name] = strand
                    self._kinds[part.stage.name] = "stage"

    def hold(self, name: str) -> None:
        """Hold a source or a stage, or everything if no name is given; nothing if it is held.

        Raises
        ------
        PenstockError
            If there is none of this name; the text lists those there are.
        """
        for each in self._meant(name):
            self.names.add(each)
            if each in self._feeds:
                self._feeds[each].hold(is_held=True)
            else:
                self._strands[each].hold()

    def release(self, name: str) -> None:
        """Release a source or a stage, or everything if no name is given; nothing if it is not held.

        Raises
        ------
        PenstockError
            If there is none of this name.
        """
        self.names -= self._meant(name)
        for each in self._meant(name):
            if each in self._feeds:
                self._feeds[each].hold(is_held=False)
            elif not any(self._strands.get(other) is self._strands[each] for other in self.names):
                self._strands[each].release()

    def why(self, name: str) -> str:
        """Return by whom a source or stage is held: ``held`` by itself; empty if it is not."""
        if name in self.names:
            return "held"
        strand = self._strands.get(name)
        if strand is None:
            return ""
        holder = next((other for other in sorted(self.names) if self._strands.get(other) is strand), "")
        return f"held by {self._kinds[holder]} {holder}" if holder else ""

    def _meant(self, name: str) -> set[str]:
        if not name:
            return set(self._kinds)
        if name not in self._kinds:
            raise PenstockError(f"no source or stage is called {name!r}; there are {', '.join(self._kinds) or 'none'}")
        return {name}
