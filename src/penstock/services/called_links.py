"""Links that are called with each item: functions, and coroutine functions, which are awaited."""

from collections.abc import Sequence

from penstock.elements.step import Step
from penstock.services.chain import chain_of
from penstock.services.chain_link import ChainLink, Mishaps, tried
from penstock.services.fed import Row

__all__ = ["Coroutines", "Functions"]


class Functions(ChainLink):
    """Functions and objects that are called with each item, one after the other."""

    def __init__(self, steps: Sequence[Step], mishaps: Mishaps) -> None:
        super().__init__(mishaps)
        self._steps = steps

    async def feed(self, rows: Sequence[Row]) -> list[Row]:
        """Call all functions for each item."""
        call, out = chain_of(self._steps), []
        for fed, row, item in rows:
            fed.begin(row)
            try:
                value = call(item)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - user code may raise anything
                value = fed.calls.again(call, item)
                if value is None and self._mishaps.lose(fed, row, item, error):
                    break
            if value is not None:
                out.append((fed, row, value))
        return out


class Coroutines(ChainLink):
    """One coroutine function, awaited for each item before it gets the next."""

    def __init__(self, step: Step, mishaps: Mishaps) -> None:
        super().__init__(mishaps)
        self._step = step

    async def feed(self, rows: Sequence[Row]) -> list[Row]:
        """Await it for each item."""
        call, out = self._step.call, []
        for fed, row, item in rows:
            fed.begin(row)
            try:
                value = await tried(call, item, fed.calls.tries, fed.calls.retry_s)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - user code may raise anything
                if self._mishaps.lose(fed, row, item, error):
                    break
                continue
            if value is not None:
                out.append((fed, row, value))
        return out
