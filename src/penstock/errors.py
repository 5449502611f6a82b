"""Every error penstock raises, in one tree, so that callers can catch what they can mend.

Nothing here knows where an error is raised; the text of each says what was wrong, where, and what would be right.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

__all__ = [
    "BeamtimeError",
    "BusyError",
    "CheckError",
    "CommandError",
    "ConflictError",
    "DecodingError",
    "IntegrityError",
    "MapError",
    "MissingExtraError",
    "MissingMessageError",
    "NoDataError",
    "NotBuiltYetError",
    "ParameterError",
    "PartialDataError",
    "PenstockError",
    "Problem",
    "ProcessError",
    "QueryError",
    "RemoteProtocolError",
    "ResultTypeError",
    "SelectionError",
    "ServiceError",
    "SinkError",
    "SourceError",
    "StateError",
    "StoreFullError",
    "StreamAbortedError",
    "StreamEndedError",
    "StreamError",
    "StreamStalledError",
    "UnknownStreamError",
    "UserCodeError",
]


class PenstockError(Exception):
    """The root: whatever penstock raises on purpose is one of these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One mistake somebody wrote, with its place and its remedy."""

    where: str
    """Dotted path in what was written, such as ``sources.pcap.connect``."""
    text: str
    """What is wrong."""
    remedy: str = ""
    """What would be right; empty where nothing sensible can be proposed."""
    file: str = ""
    """The file, empty if there is none."""
    line: int = 0
    """The line, counted from 1; 0 if unknown."""
    level: str = "error"
    """``error`` stops a start; ``warning`` and ``planned`` (known, not built yet) do not stop ``check``."""

    def __str__(self) -> str:
        place = self.where
        if self.file or self.line:
            location = ", ".join(filter(None, [self.file, f"line {self.line}" if self.line else ""]))
            place = f"{place} ({location})" if place else location
        text = f"{place}: {self.text}" if place else self.text
        return f"{text}; {self.remedy}" if self.remedy else text


class CheckError(PenstockError):
    """A pipeline cannot start as it is written; ``problems`` holds every mistake at once."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class MapError(CheckError):
    """A trigger map contradicts itself, its streams or the workers there are."""


class NotBuiltYetError(PenstockError):
    """A known name that this version plans but does not have."""


class MissingExtraError(PenstockError, ImportError):
    """An optional library is not installed; the text names the extra to install."""


class RemoteProtocolError(PenstockError):
    """The other side sent bytes that its protocol does not allow."""


class DecodingError(PenstockError):
    """A compressed buffer is not the array it should be, or nothing here can decode it."""


class SourceError(PenstockError):
    """An instrument cannot be reached, or its connection broke."""


class SinkError(PenstockError):
    """An output cannot be opened or written."""


class ParameterError(PenstockError):
    """A parameter is unknown, or its value is not allowed."""


class ProcessError(PenstockError):
    """A process cannot be started."""


class StateError(PenstockError):
    """A transition the state table does not have was asked for."""


class ResultTypeError(PenstockError):
    """User code returned something that cannot travel between processes."""


class CommandError(PenstockError):
    """A command is wrong, or not for now; ``problem`` is why, as in `penstock.core.command.Problem`."""

    def __init__(self, text: str, *, problem: str) -> None:
        self.problem = problem
        super().__init__(text)


class SelectionError(PenstockError):
    """A part of a view is asked for that is not there, or not written as it should be."""


class ServiceError(PenstockError):
    """A run cannot be served, or whoever serves it refuses what was asked."""


class StreamError(PenstockError):
    """A durable stream cannot do what was asked; the root of what streams raise."""


class StreamEndedError(StreamError):
    """A stream has ended, and everything in it has been read; ``next_stream`` is what its producer named, or empty."""

    def __init__(self, text: str, *, next_stream: str = "", state: str = "finished") -> None:
        self.next_stream = next_stream
        self.state = state
        """``finished`` or ``aborted``."""
        super().__init__(text)


class StreamAbortedError(StreamEndedError):
    """A stream's producer has given up; the text says why. What came before can be read."""

    def __init__(self, text: str) -> None:
        super().__init__(text, state="aborted")


class NoDataError(StreamError):
    """Nothing is there yet that was asked for, and it did not come in time."""


class UnknownStreamError(NoDataError):
    """There is no such stream yet, and none came in time."""


class StreamStalledError(NoDataError):
    """Nothing is there yet, and nobody writes the stream any more, though it has not ended."""


class PartialDataError(NoDataError):
    """Too few parts of a dataset came in time; ``dataset`` has those that did."""

    def __init__(self, text: str, *, dataset: Any) -> None:  # Any: a Dataset, which this file does not know
        self.dataset = dataset
        super().__init__(text)


class MissingMessageError(StreamError):
    """A message is not there although later ones are: a gap, or retention has removed it."""


class ConflictError(StreamError):
    """Another message has this id already, or somebody else writes this stream."""


class IntegrityError(StreamError):
    """Stored bytes are not what was written; the text names file and place.

    ``after`` is the position behind what is damaged, where reading can go on; 0 if there is none.
    """

    def __init__(self, text: str, *, after: int = 0) -> None:
        self.after = after
        super().__init__(text)


class BusyError(StreamError):
    """As many messages are on their way as may be, and the caller did not want to wait."""


class StoreFullError(StreamError):
    """There is no room to store more; nothing that was acknowledged is lost."""


class BeamtimeError(StreamError):
    """A beamtime is not known, not the current one, or not that of the beamline somebody named.

    ``is_passing``: it may be over in a moment, as while one beamtime's file is replaced by that of the next.
    """

    def __init__(self, text: str, *, is_passing: bool = False) -> None:
        self.is_passing = is_passing
        super().__init__(text)


class QueryError(StreamError):
    """A query is not written as it should be; ``at`` is where, counted from 0."""

    def __init__(self, text: str, *, at: int = 0) -> None:
        self.at = at
        super().__init__(text)


class UserCodeError(PenstockError):
    """User code raised; its exception is the ``__cause__``."""

    def __init__(
        self, text: str, *, stage: str, event: int | None = None, revision: int = 0, done: Sequence[object] = ()
    ) -> None:
        self.stage = stage
        self.event = event
        self.revision = revision
        self.done = done
        """Results of the events before it in the same range, which others still wait for."""
        super().__init__(text)
