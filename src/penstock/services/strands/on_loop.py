"""Call something on an event loop from another thread; if it is closed by then, nobody waits there any more."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

__all__ = ["call_on"]


def call_on(loop: asyncio.AbstractEventLoop, call: Callable[[], object]) -> None:
    """Have a loop call something soon, from whatever thread; nothing if it is closed."""
    # To ask whether it is closed would not do: it may be closed between the answer and the call.
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(call)
