"""How far it is, in the terminal."""

from typing import Any

from penstock.elements.shown_rate import ShownRate, bar, duration, rate_words
from penstock.elements.terminal_display import TERMINAL

__all__ = ["Progress"]


class Progress:
    """Count the items that pass, and show in the terminal how many there were and how fast they come.

    All that is live in a process stands together in the last lines of the terminal, on standard error, and what is
    printed goes above it. When the run ends, the count stays. Without a terminal there is a line every 10 s, if
    something has changed, and one at the end.

    ::

        stages:
          watch: {from: frames, steps: [{progress: {total: 5000}}]}

    >>> step = Progress(total=3)
    >>> [step(item) for item in "ab"]
    ['a', 'b']
    >>> step.text(0.0)
    '2 of 3  [#############-------]  67 %'
    >>> step.close()

    Parameters
    ----------
    total
        How many are expected; then it also shows how long it will take.
    label
        What stands before it.

    Raises
    ------
    ValueError
        If the total is not positive.
    """

    def __init__(self, total: int | None = None, label: str = "progress") -> None:
        if total is not None and total < 1:
            raise ValueError(f"total is {total}; write how many items are expected, or leave it out")
        self.label = label
        self._total = total
        self._display = TERMINAL
        self._count = 0
        self._rate = ShownRate()
        self._is_shown = False
        self._first_s: float | None = None

    def __call__(self, item: Any) -> Any:
        """Return the item."""
        self._count += 1
        if not self._is_shown:
            self._is_shown = True
            self._display.add(self)
        return item

    def text(self, now_s: float) -> str:
        """Return how far it is."""
        if self._first_s is None:
            self._first_s = now_s
        count = self._count
        rate = self._rate.seen(now_s, count)
        if self._total is None:
            return "  ".join(filter(None, (f"{count}", rate)))
        passed_s = now_s - self._first_s
        left = ""
        if 0 < count < self._total and passed_s > 0:
            left = f"{duration(passed_s / count * (self._total - count))} left"
        part = count / self._total
        said = f"{count} of {self._total}", bar(part), f"{100 * part:.0f} %", rate, left
        return "  ".join(filter(None, said))

    def summary(self, now_s: float) -> str:
        """Return how many there were."""
        passed_s = now_s - self._first_s if self._first_s is not None else 0.0
        of = f" of {self._total}" if self._total is not None else ""
        how = f" in {duration(passed_s)}, {rate_words(self._count / passed_s)}" if passed_s > 0 else ""
        return f"{self._count}{of}{how}"

    def close(self) -> None:
        """Leave the count in the terminal, and show nothing any more."""
        self._display.remove(self)
