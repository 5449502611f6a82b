"""The sink: where items and views leave a pipeline. Subclass it for a file format, a socket, a control system."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from penstock.core.block import Block
from penstock.core.event import EventBatch
from penstock.core.result_range import ResultRange
from penstock.core.timestamp import Timestamp

__all__ = ["RunFacts", "Sink", "Written"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """What an output says of the run it belongs to."""

    pipeline: str
    run: str
    """The run's id."""
    started: Timestamp = field(default_factory=lambda: Timestamp(0))
    version: str = ""
    """Of penstock."""
    folder: str = "."
    """Where relative paths start."""
    sink: str = ""
    """The sink's own name in the pipeline."""
    goes_on: bool = False
    """Whether something may be there already: the run is resumed, or the process that wrote before died."""
    input: str = ""
    """What the sink reads from, by name."""
    is_views: bool = False
    """Whether that is a reducer, so that it is given views."""
    about: Mapping[str, Any] = field(default_factory=dict)
    """Where the run's code comes from, for sinks that tell: text, folder, commit, python, penstock, packages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What became of items that were written together; each is counted once."""

    done: int = 0
    duplicates: int = 0
    """There already, the same."""
    dropped: int = 0
    """Given up by an output without which the run goes on."""
    why: str = ""
    """For what reason."""


class Sink(ABC):
    """One output of one run. Calls come from one thread: ``open``, any number of ``write``, ``close``."""

    takes_blocks: ClassVar[bool] = False
    """Whether it is given the blocks of a source as they come, by `write_block`, with what is said before and behind
    the data."""
    takes_numbers: ClassVar[bool] = False
    """Whether it is given items together, with their numbers, by `write_numbered`; views by `write` all the same."""
    takes_flows: ClassVar[bool] = False
    """Whether it is given messages, events and results as they flow, many at once, by `write_flow`, and what
    instruments say before and behind their data; views by `write` all the same."""
    tells_all: ClassVar[bool] = False
    """Whether it writes where its data come from: ``RunFacts.about`` and ``books`` are filled then."""
    is_recorder: ClassVar[bool] = False
    """Whether it keeps something beside the run, which goes on whatever becomes of it: it is given everything before
    others read it, and what it gives up is dropped."""
    may_wait: ClassVar[bool] = False
    """Whether `write` may wait for something outside, such as a network; then nothing but itself should wait for it."""
    takes_only_views: ClassVar[bool] = False
    """Whether it can write nothing but a reducer's views; ``check`` then refuses any other input."""
    trouble: str = ""
    """Why the run did not end well; set by the engine before `close`, if it knows."""
    books: Mapping[str, Any] = MappingProxyType({})
    """For sinks that tell all, set by the engine before `close` if it knows: ``ledger``, one mapping an edge, and
    ``parameters``, one mapping a revision."""

    @staticmethod
    def recognises(arguments: Mapping[str, Any]) -> bool:  # noqa: ARG004 - most do not
        """Whether a sink with these arguments may be given again what it may have written, and writes it once.

        Then a process of it that dies is replaced; of any other sink the run ends with it.
        """
        return False

    @abstractmethod
    def open(self, run: RunFacts) -> None:
        """Make sure that writing will be possible; called before anything of the run starts.

        Raises
        ------
        SinkError
            If not: the text names the file or address and what would be right.
        """

    @property
    def path(self) -> str:
        """The file it writes, once opened; empty if it writes none."""
        return ""

    @abstractmethod
    def write(self, item: Any) -> None:  # an item of any kind, or a tree of views
        """Write one item, or the views as they are now.

        The tree may be changed by its reducer afterwards: what is needed later must be copied.

        Raises
        ------
        SinkError
            If it could not be written.
        """

    def write_ready(self, items: Sequence[Any]) -> int:  # items of any kind
        """Write as many of these, from the first on, as can be written without waiting; return how many that were.

        Called instead of `write` where many items lie ready, by a sink that gains by it. The next item is then given to
        `write`, which waits for room or says what is wrong with it: here nothing is raised because of an item.
        By default none is written.
        """
        del items
        return 0

    def write_numbered(self, numbers: NDArray[np.int64], items: Iterable[Any]) -> Written:
        """Write items, if the sink takes numbers; when it returns they are safe, and need not be given again.

        Parameters
        ----------
        numbers
            (n,), ascending: of the items' events, or of the messages that they are or come of. An event that goes to
            several workers has its number several times.
        items
            n items.

        Raises
        ------
        SinkError
            If one could not be written.
        """
        raise NotImplementedError(f"{type(self).__name__} takes items one by one, not {len(numbers)} together")

    def write_flow(self, flow: Block | EventBatch | ResultRange) -> Written:
        """Write a whole flow, if the sink takes flows; when it returns its items need not be given again.

        Parameters
        ----------
        flow
            Messages of a source, events of a join, or results; also the start and the end of an instrument's data.

        Raises
        ------
        SinkError
            If it could not be written.
        """
        raise NotImplementedError(f"{type(self).__name__} takes items one by one, not {len(flow)} together")

    def write_block(self, block: Block) -> str:
        """Write a block of a source, if the sink takes blocks; return why it was dropped, if it was."""
        raise NotImplementedError(f"{type(self).__name__} takes items, not blocks of {block.stream}")

    def is_written(self) -> bool:
        """Return whether all it was given by `write` so far would outlive a kill of this process.

        Asked, from any thread, before files count as done that items come of. By default yes, as `write` says when it
        returns; a sink that holds something back in memory says no, or writes it now. One that always says no has
        everything written when it is closed.
        """
        return True

    def hasten(self) -> None:  # noqa: B027 - few sinks wait
        """Learn, from any thread, that the run is ending: from now on wait for others no longer than is needed.

        Called, if at all, while there may still be items to write, and while `write` may be waiting; what cannot be
        written in time is given up, and told of by `close`.
        """

    @abstractmethod
    def close(self, ended_well: bool, outcome: str = "") -> None:
        """Finish the output; called exactly once if ``open`` returned, also after a failed ``write``.

        Parameters
        ----------
        ended_well
            Whether the run finished.
        outcome
            The run's outcome in a word; by default ``finished`` or ``failed``.

        Raises
        ------
        SinkError
            If it cannot be finished.
        """

    def let_go(self) -> None:
        """Finish the output of a run that was cut off: nobody knows how it would have ended; as ``close``."""
        self.close(ended_well=False, outcome="failed")
