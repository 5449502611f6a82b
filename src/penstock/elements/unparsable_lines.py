"""Lines of a text that mean nothing: each is counted, and the last ones are kept with file, line and reason.

It reads nothing; the sources of lines tell it.
"""

import logging
from collections import deque
from typing import Final

__all__ = ["KEPT", "UnparsableLines"]

KEPT: Final = 100
"""How many texts are kept."""
_TOLD_EACH: Final = 10
"""So many are logged one by one; then only those whose number is a power of ten, as a log must not fill a disk."""

_log = logging.getLogger(__name__)


class UnparsableLines:
    """The unparsable lines of one file.

    >>> lines = UnparsableLines("scan.csv")
    >>> lines.lose(7, "2 fields, not 3")
    >>> lines.count, lines.texts[-1]
    (1, 'scan.csv, line 7: 2 fields, not 3')

    Parameters
    ----------
    file
        Its name, as it is written in the texts.
    """

    def __init__(self, file: str) -> None:
        self.file = file
        self.count = 0
        self.texts: deque[str] = deque(maxlen=KEPT)
        """The last ones."""
        self._told = 0

    def lose(self, line: int, why: str) -> None:
        """Count a line, from 1, that is given to nobody."""
        self.count += 1
        self.texts.append(f"{self.file}, line {line}: {why}")
        if self.count <= _TOLD_EACH or str(self.count).strip("0") == "1":
            _log.warning("%s (unparsable line no. %d of this file)", self.texts[-1], self.count)

    def news(self) -> list[tuple[str, int]]:
        """Return what was lost since the last time, as text and number; of many, the last ones one by one."""
        new, self._told = self.count - self._told, self.count
        texts = list(self.texts)[-new:] if new else []
        more = [(f"{self.file}: and more", new - len(texts))] if new > len(texts) else []
        return [*more, *((text, 1) for text in texts)]
