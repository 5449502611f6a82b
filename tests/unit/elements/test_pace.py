"""A rhythm by the loop's time, which is made up here: no drift, no burst, what was missed is in the numbers."""

import asyncio
from typing import Any

import pytest

from penstock.elements.pace import Pace


class _Loop(asyncio.SelectorEventLoop):
    """Where time passes only when everybody sleeps, and at once."""

    now_s = 1000.0

    def time(self) -> float:
        return self.now_s

    def _run_once(self) -> None:
        if not self._ready and self._scheduled:  # type: ignore[attr-defined]
            self.now_s = max(self.now_s, self._scheduled[0]._when)  # type: ignore[attr-defined]
        super()._run_once()  # type: ignore[misc]


def _beats(every_s: float, delays_s: list[float]) -> list[tuple[int, float]]:
    async def listen() -> list[tuple[int, float]]:
        loop: Any = asyncio.get_running_loop()
        pace, found = Pace(every_s), []
        for delay_s in delays_s:
            found.append((await pace.beat(), round(loop.time() - 1000.0, 6)))
            loop.now_s += delay_s
        return found

    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(listen())


def test_no_drift() -> None:
    assert _beats(0.1, [0.03] * 1000)[-1] == (999, 99.9)


def test_one_that_is_late_does_not_put_others_off() -> None:
    assert _beats(1.0, [1.3, 0.1, 0]) == [(0, 0.0), (1, 1.3), (2, 2.0)]


def test_no_burst_behind_a_delay() -> None:
    assert _beats(1.0, [5.5, 0, 0]) == [(0, 0.0), (5, 5.5), (6, 6.0)]


def test_no_rhythm() -> None:
    assert _beats(0.0, [2, 0, 1]) == [(0, 0.0), (1, 2.0), (2, 2.0)]
    with pytest.raises(ValueError, match="every_s is -1; write seconds"):
        Pace(-1)
