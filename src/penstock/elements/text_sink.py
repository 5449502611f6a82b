"""What sinks that write a growing text file have in common. It does not know what they write."""

from abc import abstractmethod
from typing import Any

from penstock.elements.pace import check_interval
from penstock.elements.sink import RunFacts, Sink
from penstock.elements.text_output import ExistingText, TextOutput
from penstock.errors import SinkError

__all__ = ["TextSink"]


class TextSink(Sink):
    """Base of the sinks that write text: a subclass makes records of items.

    Parameters
    ----------
    path, existing, flush_s
        As of `TextOutput`.
    """

    def __init__(self, path: str, existing: ExistingText, flush_s: float) -> None:
        self._template = path
        self._existing = existing
        self._flush_s = check_interval(flush_s, "flush_s")
        self._output: TextOutput | None = None

    @property
    def path(self) -> str:
        """Where the file is, once opened."""
        return str(self._output.path) if self._output is not None else ""

    def open(self, run: RunFacts) -> None:
        """Open the file; see the base."""
        self._output = TextOutput(self._template, run, self._existing, self._flush_s)

    def write(self, item: Any) -> None:
        """Write an item; see the base."""
        assert self._output is not None, "opened before anything is written"
        try:
            record = self._record(item)
        except (LookupError, RecursionError, TypeError, ValueError) as error:
            raise SinkError(f"{self.path}: {error}") from error
        self._output.write(record)

    def is_written(self) -> bool:
        """Write what was held back, and say whether that was possible."""
        return self._output is not None and self._output.is_written()

    def close(self, ended_well: bool, outcome: str = "") -> None:  # noqa: ARG002 - a text says nothing of runs
        """Write what was held back; an output without items is an empty file."""
        if self._output is not None:
            self._output.close()

    @abstractmethod
    def _record(self, item: Any) -> bytes:
        """Return the bytes of one item, with a line end.

        Raises
        ------
        LookupError, TypeError, ValueError
            If it cannot be written so.
        """
