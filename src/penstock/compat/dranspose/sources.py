"""Sources of a replay: dumps, or the generators of a user's class; one message an event, with all its streams."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from penstock.compat.dranspose.dumps import read_dump
from penstock.compat.dranspose.events import message_of_event
from penstock.compat.dranspose.lookup import find_user_class
from penstock.compat.dranspose.served.event import InternalWorkerMessage
from penstock.core.block_builder import MAX_BYTES
from penstock.core.decoder import Traits
from penstock.core.message import Message
from penstock.elements.source import Reading, Source
from penstock.errors import PenstockError, SourceError, UserCodeError

__all__ = ["DumpSource", "GeneratorSource"]

MOST = 256
"""Events of one reading."""


class _EventSource(Source):
    """Merge what several ingesters have, event by event, the lowest number first."""

    traits = Traits(has_start=False, has_end=False)
    is_repeatable = True

    def __init__(self) -> None:
        self._events: Iterator[Message] = iter(())
        self._trouble: PenstockError | None = None

    def ingesters(self) -> Iterable[Iterator[InternalWorkerMessage]]:
        """Return what each of them has."""
        raise NotImplementedError

    def open(self) -> None:
        """Begin to read."""
        self._trouble = None
        self._events = _merged([_ascending(each) for each in self.ingesters()])

    def read(self, now_ns: int) -> Reading:
        """Return the next events; what is wrong is raised when all before it has been given. See the base."""
        if self._trouble is not None:
            raise self._trouble
        found: list[Message] = []
        size = 0
        try:
            for message in self._events:
                found.append(message)
                size += sum(buffer.nbytes for buffer in message.buffers)
                if size >= MAX_BYTES or len(found) >= MOST:
                    return self.reading(found, now_ns)
        except PenstockError as error:
            self._trouble = error
        except ValueError as error:  # one stream in two dumps
            self._trouble = SourceError(f"source {self.stream}: {error}")
        return self.reading(found, now_ns, ended=self._trouble is None)


class DumpSource(_EventSource):
    """Read dumps, one of each ingester, which may be gzipped.

    Parameters
    ----------
    files
        Their paths; relative ones begin at the pipeline's folder.
    """

    def __init__(self, files: list[str]) -> None:
        super().__init__()
        self._files = files

    def ingesters(self) -> Iterable[Iterator[InternalWorkerMessage]]:
        """Return what is in each file."""
        return [read_dump(Path(self.folder, file)) for file in self._files]


class GeneratorSource(_EventSource):
    """Ask a user's class for ``get_source_generators()``.

    Parameters
    ----------
    source
        ``module:Class``, looked for where other user code is.
    """

    def __init__(self, source: str) -> None:
        super().__init__()
        self._source = source

    def ingesters(self) -> Iterable[Iterator[InternalWorkerMessage]]:
        """Return the generators."""
        kind: Any = find_user_class(self._source, Path(self.folder))
        try:
            return [_of_user(self._source, generator) for generator in kind().get_source_generators()]
        except Exception as error:  # user code may raise anything
            raise UserCodeError(f"{self._source}: {type(error).__name__}: {error}", stage=self.stream) from error


def _of_user(name: str, generator: Iterable[Any]) -> Iterator[InternalWorkerMessage]:
    try:
        for message in generator:
            if not isinstance(message, InternalWorkerMessage):
                raise TypeError(f"it gives {type(message).__name__}; InternalWorkerMessage would be right")
            yield message
    except Exception as error:
        raise UserCodeError(f"{name}: {type(error).__name__}: {error}", stage=name) from error


def _merged(ingesters: Sequence[Iterator[InternalWorkerMessage]]) -> Iterator[Message]:
    heads = [next(each, None) for each in ingesters]
    while present := [head for head in heads if head is not None]:
        number = min(head.event_number for head in present)
        yield message_of_event(head for head in present if head.event_number == number)
        # Only now, because what is wrong with a later event must not cost this one.
        for k, head in enumerate(heads):
            if head is not None and head.event_number == number:
                heads[k] = next(ingesters[k], None)


def _ascending(messages: Iterable[InternalWorkerMessage]) -> Iterator[InternalWorkerMessage]:
    before = -1
    for message in messages:
        if message.event_number <= before:
            text = f"event {message.event_number} comes behind event {before}; events must be in order, each once"
            raise SourceError(text)
        before = message.event_number
        yield message
