"""SNAP's ``.misc``: a command of the shell for each item."""

import asyncio
import shlex
from collections.abc import Awaitable, Callable, Mapping
from string import Formatter
from typing import Any

__all__ = ["run_shell"]


def run_shell(cmd: str) -> Callable[[Any], Awaitable[Any]]:
    """Make a step that runs a command for each item, waits for it and passes the item on.

    What is filled in is quoted: the command gets it as a single word, whatever it holds.

    Parameters
    ----------
    cmd
        For ``sh``; ``{name}`` is the value of that name of an item that is a mapping, ``{}`` any item itself.

    Raises
    ------
    ValueError
        If the braces of the command do not fit.
    """
    list(Formatter().parse(cmd))  # raises what is wrong with the braces

    async def run(item: Any) -> Any:
        command = _quoted(cmd, item)
        process = await asyncio.create_subprocess_shell(command)
        try:
            code = await process.wait()
        except asyncio.CancelledError:
            process.kill()
            await process.wait()
            raise
        if code:
            raise RuntimeError(f"{command!r} failed with code {code}")
        return item

    return run


class _Quoting(Formatter):
    """Fills in values as words that a shell takes as they are."""

    def format_field(self, value: Any, format_spec: str) -> str:
        return shlex.quote(super().format_field(value, format_spec))


def _quoted(cmd: str, item: Any) -> str:
    """Return a command with an item's values as single words.

    >>> _quoted("echo {name} {n:03d}", {"name": "a; rm b", "n": 7})
    "echo 'a; rm b' 007"
    """
    return _Quoting().vformat(cmd, (item,), item if isinstance(item, Mapping) else {})
