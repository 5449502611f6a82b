"""What generators of either kind have in common as links: who has what, and when they are made anew."""

from collections import deque
from typing import Any

from penstock.elements.step import Step
from penstock.services.chain_link import ChainLink, Mishaps
from penstock.services.fed import Row

__all__ = ["TakingLink"]


class TakingLink(ChainLink):
    """What is given the iterator of what comes before it, and made anew when it raises or its parameters change."""

    def __init__(self, step: Step, mishaps: Mishaps) -> None:
        super().__init__(mishaps)
        self._step = step
        self._call = step.call
        self._inbox: deque[Row] = deque()
        self._out: list[Row] = []
        self._last: Row | None = None
        """What was taken last."""
        self._error: BaseException | None = None
        self._has_ended = self._is_over = self._is_running = self._has_taken = False

    def _take(self) -> Any:  # an item
        self._last = fed, row, item = self._inbox.popleft()
        self._has_taken = True
        fed.begin(row)
        fed.take(row)
        return item

    def _yielded(self, value: Any) -> None:
        if value is not None:
            fed, row, _ = self._last or (*(self._inbox[0] if self._inbox else (self._mishaps.nothing, 0))[:2], None)
            self._out.append((fed, row, value))

    def _has_other_parameters(self) -> bool:
        """Whether the function was given others; an object has them as attributes."""
        return self._step.is_function and self._step.call is not self._call

    def _must_stop(self) -> bool:
        """Account for what it had last if it raised, and let it be made anew; one that took nothing cannot go on."""
        error, self._error = self._error, None
        if error is None:
            return False
        self._is_over = self._is_running = False
        if self._last is None or not self._has_taken:
            self._mishaps.end(error)
            return True
        return self._mishaps.lose(*self._last, error)

    def _taken(self) -> list[Row]:
        if self._is_over:  # nobody will take them: they are filtered
            self._inbox.clear()
        out, self._out = self._out, []
        return out
