"""A node that answers, and one that asks."""

import asyncio
from pathlib import Path

from penstock.compat.snap.status import TIMEOUT, status_req, status_server


def test_who_asks_is_answered_and_told_how_long_it_took(tmp_path: Path) -> None:
    address = f"ipc://{tmp_path}/status"

    async def ask() -> None:
        server = status_server(address)
        asked = asyncio.ensure_future(_all(server))
        answers = status_req(address, timeout=60)
        for _ in range(3):
            answer, seconds = await anext(answers)
            assert answer == b"OK"
            assert 0 < seconds < 60
        await answers.aclose()  # type: ignore[attr-defined]  # it is a generator
        asked.cancel()
        await asyncio.wait([asked])
        await server.aclose()  # type: ignore[attr-defined]  # likewise

    asyncio.run(ask())


async def _all(source: object) -> None:
    async for question in source:  # type: ignore[attr-defined]  # an async iterator
        assert question == b"STATUS"


def test_who_is_not_answered_is_told_and_asks_again(tmp_path: Path) -> None:
    address = f"ipc://{tmp_path}/status"

    async def ask() -> None:
        answers = status_req(address, timeout=0.01)
        assert [(await anext(answers))[0] for _ in range(2)] == [TIMEOUT, TIMEOUT]
        await answers.aclose()  # type: ignore[attr-defined]  # it is a generator

    asyncio.run(ask())
