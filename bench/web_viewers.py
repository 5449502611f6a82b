"""Twenty pages that follow one view: how much each is sent, and how often."""

import asyncio
import json
import sys

import websockets

__all__ = ["main"]


async def _viewer(address: str, watch: dict[str, object], seconds: float) -> tuple[int, int]:
    updates = largest = 0
    async with websockets.connect(address, max_size=None, compression=None) as link:
        await link.send(json.dumps({"watch": [watch]}))
        try:
            async with asyncio.timeout(seconds):
                while True:
                    found = await link.recv()
                    if isinstance(found, bytes):
                        updates, largest = updates + 1, max(largest, len(found))
        except TimeoutError:
            return updates, largest


async def main() -> None:
    """Follow until the time is over; print updates and the largest of each."""
    address, view, seconds, viewers = sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4])
    watch: dict[str, object] = {"view": view, "slice": "", "max_hz": 5, "max_bytes": 1 << 20}
    if sys.argv[5:]:
        watch["fewer"] = sys.argv[5]
    found = await asyncio.gather(*(_viewer(address, watch, seconds) for _ in range(viewers)))
    print(json.dumps({"updates": [updates for updates, _ in found], "largest": max(size for _, size in found)}))


if __name__ == "__main__":
    asyncio.run(main())
