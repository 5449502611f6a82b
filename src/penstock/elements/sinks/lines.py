"""A text file of one item a line."""

from typing import Any

from penstock.elements.text_output import ExistingText
from penstock.elements.text_sink import TextSink
from penstock.elements.text_template import TextTemplate

__all__ = ["LinesSink"]


class LinesSink(TextSink):
    r"""Write each item as a line of text, which can be read while the file grows.

    A line end within a value is written as ``\n``, so that one item is one line. What is written was whole: a line that
    does not find room on a full disk is not there at all, and the lines before it stay.

    ::

        sinks:
          log: {use: lines, from: watch, path: "{run}.txt", line: "{name} {I0:.3f}"}

    >>> import tempfile
    >>> from pathlib import Path
    >>> from penstock.elements import RunFacts
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     sink = LinesSink(line="{name} {I0:.3f}")
    ...     sink.open(RunFacts(pipeline="p", run="r1", folder=folder))
    ...     sink.write({"name": "ring", "I0": 0.5})
    ...     sink.close(True)
    ...     print(Path(sink.path).read_text(), end="")
    ring 0.500

    Parameters
    ----------
    path
        May hold ``{run}``, ``{name}``, ``{sink}``; relative to the pipeline's file.
    line
        What a line is: ``{}`` is the item, ``{field}`` a field of it, with a format behind a colon as Python has it.
    existing
        What becomes of a file that is there already: ``next`` takes the next free name (``log-2.txt``), ``refuse``
        does not start, ``replace`` writes it anew, ``append`` writes on.
    flush_s
        How long a line may be held back, in s, for the sake of speed. By default each is in the file when the next item
        comes.

    Raises
    ------
    ValueError
        If the line is not well formed, or the time cannot be.
    """

    def __init__(
        self, path: str = "{run}.txt", line: str = "{}", existing: ExistingText = "next", flush_s: float = 0.0
    ) -> None:
        super().__init__(path, existing, flush_s)
        self._line = TextTemplate(line)

    def _record(self, item: Any) -> bytes:
        return self._line.fill(item, _on_one_line).encode(errors="backslashreplace") + b"\n"


def _on_one_line(text: str) -> str:
    return text.replace("\r", "\\r").replace("\n", "\\n") if "\n" in text or "\r" in text else text
