"""JSON, one value a line, each an item."""

import json
from typing import Any

import msgspec

from penstock.elements.text_source import AwaitedText, TextFile, text_source
from penstock.elements.unparsable_lines import UnparsableLines

__all__ = ["json_lines"]


def json_lines(path: str, follow: bool = False, only_new: bool = False, every_s: float = 0.0) -> TextFile | AwaitedText:
    r"""Give the JSON value of each line of a file, or of standard input; mostly mappings.

    A line that is no JSON, or is ``null``, is unparsable: counted, logged with file and line, and left out. Empty lines
    are no lines. ``NaN`` and ``Infinity``, which JSON does not have, are read nonetheless, as Python writes them.

    ::

        sources:
          readings: {use: json-lines, path: readings.jsonl}

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
    ...     _ = file.write('{"I0": 0.5}\n{"I0": 0.7}\n')
    ...     file.flush()
    ...     list(json_lines(file.name))
    [[{'I0': 0.5}, {'I0': 0.7}]]

    Parameters
    ----------
    path, follow, only_new, every_s
        As of the source ``lines``.

    Raises
    ------
    ValueError
        If an argument is wrong, or contradicts another.
    """
    unparsable = UnparsableLines(path)
    return text_source(path, _Json(unparsable), unparsable, follow=follow, only_new=only_new, every_s=every_s)


class _Json:
    """Parses each line for itself."""

    def __init__(self, unparsable: UnparsableLines) -> None:
        self._unparsable = unparsable
        self._decode = msgspec.json.Decoder().decode

    def parsed(self, first: int, lines: list[str]) -> list[Any]:
        try:
            items = list(map(self._decode, lines))
        except (msgspec.DecodeError, RecursionError):
            items = [self._singly(number, line) for number, line in enumerate(lines, first)]
        else:
            for number in (number for number, item in enumerate(items, first) if item is None):
                self._lose_null(number)
        return [item for item in items if item is not None]

    def begin(self) -> list[Any]:
        return []

    def rest(self) -> list[Any]:
        return []

    def _singly(self, number: int, line: str) -> Any:
        if not line.strip():
            return None
        try:
            item = self._decode(line)
        except msgspec.DecodeError:
            try:
                item = json.loads(line)  # it knows NaN
            except (ValueError, RecursionError) as error:
                self._unparsable.lose(number, f"no JSON: {error}")
                return None
        except RecursionError:
            self._unparsable.lose(number, "no JSON: nested too deeply")
            return None
        if item is None:
            self._lose_null(number)
        return item

    def _lose_null(self, number: int) -> None:
        self._unparsable.lose(number, "null is no item")
