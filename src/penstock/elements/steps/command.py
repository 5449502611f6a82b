"""A program that is given each item, and whose output is the item that goes on. No shell is involved."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import msgspec

from penstock.elements.program import Program

__all__ = ["Command"]

Output = Literal["text", "json", "bytes"]
_OUTPUTS: Final = ("text", "json", "bytes")


class Command:
    """Start a program for each item and give on what it writes to its standard output.

    As for the sink ``command``, no value can become a command, an option or more than one argument.

    ::

        stages:
          peaks: {from: images, steps: [{command: {argv: [find-peaks, "--file={path}"], output: json}}]}

    >>> step = Command(["echo", "--", "{name}"], into="said")
    >>> asyncio.run(step({"name": "$(id); true"}))
    {'name': '$(id); true', 'said': '-- $(id); true'}

    Parameters
    ----------
    argv, stdin, timeout_s
        As of the sink ``command``.
    output
        What its output is: a ``text``, of which the line end at the end is no part, ``json``, or ``bytes``. At most
        64 MB.
    into
        Name of a field, in a copy of the item, for the output; by default it is the item that goes on.

    Raises
    ------
    ValueError
        If an argument is wrong.
    """

    folder: str = "."
    """Where it runs, and where its path starts; given by whoever runs the step."""

    def __init__(
        self,
        argv: Sequence[str | int | float],
        stdin: str = "",
        output: Output = "text",
        into: str = "",
        timeout_s: float = 60.0,
    ) -> None:
        if output not in _OUTPUTS:
            raise ValueError(f"output is {output!r}; write text, json or bytes")
        self._program = Program(argv, stdin, timeout_s)
        self._output = output
        self._into = into
        self._is_found = False

    async def __call__(self, item: Any) -> Any:
        """Return the output, or a copy of the item with it.

        Raises
        ------
        ProcessError
            If the program cannot be started, fails, or does not end in time.
        ValueError
            If its output is not what it should be, or a value cannot be an argument.
        """
        if not self._is_found:
            self._program.find(self.folder)
            self._is_found = True
        if self._into and not isinstance(item, Mapping):
            raise TypeError(f"{type(item).__name__} has no fields for the output; give a mapping, or leave out into")
        call = self._program.call(item, wants_output=True)
        try:
            said = self._read(await asyncio.to_thread(call.run))
        finally:
            call.kill()  # of no effect when it has ended; when this coroutine is cancelled, nothing stays behind
        return {**item, self._into: said} if self._into else said

    def _read(self, output: bytes) -> Any:
        if self._output == "bytes":
            return output
        try:
            if self._output == "json":
                return msgspec.json.decode(output)
            return output.decode().removesuffix("\n")
        except (UnicodeDecodeError, msgspec.DecodeError) as error:
            raise ValueError(f"{self._program.name}: its output is no {self._output}: {error}") from error
