"""The OpenAPI document without a run: ``python -m penstock.web.document`` writes it for those who make clients.

The live page's types come of it.
"""

import asyncio
import sys
from typing import Any

import httpx

from penstock.services.run_names import own_version
from penstock.transport.seqpacket import Link
from penstock.web.app import make_app
from penstock.web.shown_views import ShownViews
from penstock.web.supervisor_line import SupervisorLine

__all__ = ["document"]


def document() -> bytes:
    """Return the document as every run serves it, JSON."""
    mine, its = Link.pair()
    try:
        app = make_app(ShownViews({}), SupervisorLine(mine), pipeline="", run="", version=own_version())
        return asyncio.run(_asked(app)).content
    finally:
        mine.close()
        its.close()


async def _asked(app: Any) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://localhost") as client:
        return (await client.get("/api/v1/openapi.json")).raise_for_status()


if __name__ == "__main__":
    sys.stdout.buffer.write(document())
