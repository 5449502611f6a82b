"""What somebody is told who cannot have what was asked for: one field, ``detail``, in JSON."""

from collections.abc import Iterable
from typing import Any

import msgspec

__all__ = ["body_of", "refuse"]


def body_of(why: str) -> bytes:
    """Return the body of a refusal."""
    return msgspec.json.encode({"detail": why})


async def refuse(send: Any, code: int, why: str, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
    """Answer over ASGI that it cannot be had."""
    body = body_of(why)
    head = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), *headers]
    await send({"type": "http.response.start", "status": code, "headers": head})
    await send({"type": "http.response.body", "body": body})
