"""Figures of streams are told without waiting for the store: the last ones as long as they are not too old."""

import asyncio
import threading
from typing import Any

import pytest

from penstock.errors import ServiceError
from penstock.web import stream_figures
from penstock.web.stored_streams import StoredStreams
from penstock.web.stream_figures import EVERY_S, LONGEST_S, StreamFigures


class Store(StoredStreams):
    """One that answers when it is let, and counts how often it is asked."""

    def __init__(self) -> None:
        super().__init__("")
        self.may = threading.Event()
        self.may.set()
        self.asked = 0
        self.is_away = False

    def latest(self, most: int) -> dict[str, Any]:
        self.asked += 1
        mine = self.asked
        assert self.may.wait(30)
        if self.is_away:
            raise ServiceError("the store is away")
        return {"streams": [mine], "groups": []}


def test_who_asks_does_not_wait_for_a_store_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_figures, "PATIENCE_S", 0.01)

    async def scenario() -> None:
        store, now = Store(), 100.0
        figures = StreamFigures(store, lambda: now)

        async def told() -> Any:
            found = await figures.latest()
            return None if found is None else found["streams"]

        while await told() != [1]:
            assert store.asked == 1, "it is asked once, and then waited for"
        now += EVERY_S / 2
        assert (await told(), store.asked) == ([1], 1)
        store.may.clear()
        now += EVERY_S
        assert await told() == [1]
        now += LONGEST_S
        assert await told() is None
        assert await told() is None
        assert store.asked == 2, "a store that hangs holds one thread, however often it is asked"
        store.may.set()
        while await told() != [2]:
            pass
        store.is_away = True
        now += EVERY_S
        while await told() is not None:
            pass

    asyncio.run(scenario())
