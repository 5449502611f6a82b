"""Read sources of plain values by hand, whatever kind they are."""

import asyncio
from contextlib import aclosing
from typing import Any

from penstock.elements.text_source import AwaitedText, TextFile

__all__ = ["PATIENCE_S", "all_of", "read"]

PATIENCE_S = 60.0


async def read(source: Any, n: int | None = None) -> list[Any]:
    """Return the first n items, or all, of an async source whose values are lists."""
    found: list[Any] = []
    async with asyncio.timeout(PATIENCE_S), aclosing(aiter(source)) as chunks:
        async for chunk in chunks:
            found += chunk
            if n is not None and len(found) >= n:
                break
    return found


def all_of(source: TextFile | AwaitedText) -> list[Any]:
    """Return all items of a source that ends."""
    if isinstance(source, TextFile):
        return [item for chunk in source for item in chunk]
    return asyncio.run(read(source))
