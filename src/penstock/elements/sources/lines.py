"""The lines of a text, one item each, whether a file, a file that grows, or standard input."""

from typing import Any

from penstock.elements.text_source import AwaitedText, TextFile, text_source
from penstock.elements.unparsable_lines import UnparsableLines

__all__ = ["lines"]


def lines(
    path: str, follow: bool = False, only_new: bool = False, every_s: float = 0.0, encoding: str = "utf-8"
) -> TextFile | AwaitedText:
    r"""Give each line of a text file, or of standard input, without its line end.

    A line that is not of the encoding is unparsable: counted, logged with file and line, and left out.

    ::

        sources:
          log: {use: lines, path: detector.log, follow: true}

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
    ...     _ = file.write("one\ntwo\n")
    ...     file.flush()
    ...     for chunk in lines(file.name):
    ...         print(chunk)
    ['one', 'two']

    Parameters
    ----------
    path
        The file, from the pipeline's folder, or ``-``: standard input, which is waited for until its end.
    follow
        Whether to wait for what is written to the file later. It is given when its line end is there. The source then
        never ends by itself. A file that is renamed or removed is read to its end, and then what has its name; one that
        is cut is read from its beginning. Pipes and devices that have a path are followed, too.
    only_new
        With ``follow``: whether to leave out what is there at the start.
    every_s
        At which interval to give a line, in s; by default as fast as they are read.
    encoding
        Of the text.

    Raises
    ------
    ValueError
        If an argument is wrong, or contradicts another.
    """
    return text_source(
        path,
        _AsTheyAre(),
        UnparsableLines(path),
        follow=follow,
        only_new=only_new,
        every_s=every_s,
        encoding=encoding,
    )


class _AsTheyAre:
    """Gives lines as they are."""

    def parsed(self, first: int, lines: list[str]) -> list[Any]:  # noqa: ARG002 - nothing can be wrong with a line
        return lines

    def begin(self) -> list[Any]:
        return []

    def rest(self) -> list[Any]:
        return []
