"""An external program as user code: it stays for a run, is given each item, and answers with its result.

The base of the built-in `program`, and of what people write for a program whose parameters have names of their own.
"""

import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from penstock.core.event import Event
from penstock.core.message import Message
from penstock.elements.plain_value import plain
from penstock.elements.running_program import RunningProgram
from penstock.elements.signature import parameters_of
from penstock.elements.text_template import TextTemplate
from penstock.errors import ProcessError
from penstock.monitor.notice import notice
from penstock.wire.program_frames import Frame, frame_parts

__all__ = ["ExternalProgram", "taken_apart"]

_UNKNOWN: Final = object()
"""No value of a parameter."""


class ExternalProgram:
    """Give each item to a program that stays, and give on what it answers: a worker, or a step of a chain.

    Each worker has a process of its own. It is begun with the first item, or the start before it, in a session of its
    own and without a shell, runs in the pipeline's folder, and ends when its standard input does, at the end of the
    run. How it is talked to stands in *Use a program as a worker*.

    Guarantees: an answer belongs to the item it is given for, because it repeats that one's number. A program that
    dies, is silent for too long, or says what is no answer fails with the item it was at, which ``on_error`` of the
    stage decides about; the next item, or the same again under ``retry``, gets a new process, which is told the
    parameters and the start anew. One that ends between two items is replaced, and that is told. The kernel kills it
    when the worker is killed. Trap: ``timeout_s`` and ``start_s`` must be less than the stage's ``deadline_s``,
    which kills the worker with its program.

    A subclass adds parameters, keyword-only and annotated as those of all user code; the program is told all of them
    before its first item, and again before the next item when one has changed.

    Parameters
    ----------
    command
        The program, on ``PATH`` or by its path from the pipeline's folder, and its arguments. ``{python}`` is the
        Python that runs the pipeline; ``{{`` and ``}}`` are braces.
    timeout_s
        How long it may take for one item, in s; then it is killed, with what it has started.
    start_s
        How long it may take for its first item, in s, if that is more.
    close_s
        How long it may take to end, in s.

    Raises
    ------
    ValueError
        If an argument is wrong.
    """

    folder: str = "."
    """Where it runs, and where its path starts; given by whoever runs the stage."""

    def __init__(
        self, command: Sequence[str | int | float], timeout_s: float = 30.0, start_s: float = 30.0, close_s: float = 5.0
    ) -> None:
        if isinstance(command, str) or not command:
            raise ValueError(f'command is {command!r}; write a list: [program, "--option"]')
        for name, seconds in (("timeout_s", timeout_s), ("start_s", start_s), ("close_s", close_s)):
            if not 0 < seconds < float("inf"):
                raise ValueError(f"{name} is {seconds}; write seconds")
        self._words = [_word(str(word)) for word in command]
        self._timeout_s = timeout_s
        self._start_s = start_s
        self._close_s = close_s
        self._names = tuple(parameter.name for parameter in parameters_of(type(self)))
        self._told: tuple[Any, ...] = ()
        self._start: tuple[Any, dict[str, NDArray[Any]]] | None = None
        """What the last start said, kept for a successor."""
        self._running: RunningProgram | None = None
        self._path = ""
        self._number = 0

    def start(self, item: Any) -> None:
        """Begin the program, and tell it what the instruments say before their data."""
        said, arrays = taken_apart(item)
        self._start = (said, {place: np.array(array) for place, array in arrays.items()})  # what was lent is not kept
        self._guarded(self._start_told)

    def process(self, item: Any) -> Any:
        """Give it an item, and return its result; ``None`` if it has none.

        Raises
        ------
        ProcessError
            If it cannot be started, ends, is not in time, or does not answer as it should; or says of this item that
            it failed.
        TypeError
            If the item has something that has no form in JSON.
        """
        said, arrays = taken_apart(item)
        answer = self._guarded(lambda: self._asked(said, arrays))
        if (error := answer.said.get("error")) is not None:
            raise ProcessError(f"{self._words[0]}: {error}")
        return _result(answer)

    def __call__(self, item: Any) -> Any:
        """Do as `process`: so it is a step, too."""
        return self.process(item)

    def end(self, item: Any) -> None:
        """Tell it what the instruments say after their data, if it runs."""
        if self._running is not None and not self._running.trouble():
            said, arrays = taken_apart(item)
            parts = frame_parts({"kind": "end"}, arrays, said)
            running = self._running
            self._guarded(lambda: running.tell(parts, self._timeout_s))

    def close(self) -> None:
        """Close its standard input, and wait for its end; what goes wrong then is an alarm, for all is answered."""
        running, self._running = self._running, None
        if running is not None and (trouble := running.close(self._close_s)):
            notice(trouble, level="alarm")

    def _guarded(self, call: Any) -> Any:  # what it returns
        """Call, and let go of the program if anything fails: nobody knows what it would say next."""
        try:
            return call()
        except BaseException:
            running, self._running = self._running, None
            if running is not None:
                running.kill()
            raise

    def _start_told(self) -> None:
        before = self._running
        running = self._ready()
        if running is before:  # one that has just begun has been told
            self._tell_start(running)

    def _asked(self, said: Any, arrays: Mapping[str, NDArray[Any]]) -> Frame:
        running = self._ready()
        self._number += 1
        parts = frame_parts({"kind": "event", "number": self._number}, arrays, said)
        answer = running.ask(parts, self._timeout_s if running.answered else max(self._start_s, self._timeout_s))
        if answer.said.get("number") != self._number:
            found = answer.said.get("number", "none")
            raise ProcessError(
                f"{running.name} answered with the number {found} to item {self._number}; its answer to it begins "
                f'{{"number": {self._number}'
            )
        return answer

    def _ready(self) -> RunningProgram:
        """Return the program, told all it must know before the next item."""
        if self._running is not None and (trouble := self._running.trouble()):
            notice(f"{trouble}; it is begun anew", answered=self._running.answered)
            self._running.kill()
            self._running = None
        values = tuple(getattr(self, name) for name in self._names)
        if self._running is None:
            self._running = self._begun()
            self._tell_parameters(self._running, values)
            self._tell_start(self._running)
        elif any(value is not told for value, told in zip(values, self._told, strict=True)):
            self._tell_parameters(self._running, values)
        return self._running

    def _begun(self) -> RunningProgram:
        name = self._words[0]
        if not self._path:
            is_path = "/" in name
            found = shutil.which(Path(self.folder, Path(name).expanduser()).absolute() if is_path else name)
            if found is None:
                raise ProcessError(f"there is no program {name} that could be executed; install it, or write its path")
            self._path = str(found)
        self._number = 0
        return RunningProgram(self._path, self._words, self.folder, lambda line: notice(line, level="log"))

    def _tell_parameters(self, running: RunningProgram, values: tuple[Any, ...]) -> None:
        if self._names:
            said, arrays = taken_apart(dict(zip(self._names, map(_absolute, values), strict=True)))
            running.tell(frame_parts({"kind": "parameters"}, arrays, said), self._timeout_s)
        self._told = values

    def _tell_start(self, running: RunningProgram) -> None:
        if self._start is not None:
            said, arrays = self._start
            running.tell(frame_parts({"kind": "start"}, arrays, said), self._timeout_s)


def taken_apart(item: Any) -> tuple[Any, dict[str, NDArray[Any]]]:
    """Return an item as JSON can say it, ``None`` standing where an array was, and the arrays by their places.

    A message is its ``id``, ``key``, ``timestamp_ns`` and ``metadata``, its arrays are called ``array`` and ``more.0``,
    ``more.1`` …; an event is its ``number`` and its parts by name. An item that is an array is called ``array``.

    >>> taken_apart({"x": 1.5, "spot": {"image": np.zeros((1, 2))}})
    ({'x': 1.5, 'spot': {'image': None}}, {'spot.image': array([[0., 0.]])})

    Raises
    ------
    TypeError
        If something has no form in JSON.
    """
    arrays: dict[str, NDArray[Any]] = {}
    return _apart(item, "", arrays), arrays


def _apart(value: Any, place: str, arrays: dict[str, NDArray[Any]]) -> Any:
    if isinstance(value, np.ndarray) and value.ndim and not value.dtype.hasobject:
        arrays[place or "array"] = value
        return None
    if isinstance(value, Message):
        return _message_apart(value, place, arrays)
    if isinstance(value, Event):
        parts = {
            name: _apart(part, _at(place, name), arrays) for name, part in zip(value.names, value.parts, strict=True)
        }
        return {"number": value.number, **parts}
    if isinstance(value, Mapping):
        names = [plain({key: None}) for key in value]  # as JSON has them
        return {
            name: _apart(inner, _at(place, name), arrays) for (name,), inner in zip(names, value.values(), strict=True)
        }
    if isinstance(value, list | tuple):
        return [_apart(inner, _at(place, str(k)), arrays) for k, inner in enumerate(value)]
    return plain(value)


def _message_apart(message: Message, place: str, arrays: dict[str, NDArray[Any]]) -> dict[str, Any]:
    for number, array in enumerate(message.arrays):
        if array.ndim:
            arrays[_at(place, "array" if not number else f"more.{number - 1}")] = array
    said: dict[str, Any] = {"id": message.id, "key": message.key, "timestamp_ns": message.timestamp_ns}
    if message.arrays and not message.arrays[0].ndim:
        said["value"] = plain(message.arrays[0])
    return said | {"metadata": _apart(message.metadata, _at(place, "metadata"), arrays)}


def _at(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _result(answer: Frame) -> Any:
    """Return the result of an answer: what it says, with its arrays beside it."""
    result = answer.said.get("result")
    if not answer.arrays:
        return result
    if result is None:
        return dict(answer.arrays)
    if not isinstance(result, dict) or result.keys() & answer.arrays.keys():
        raise ProcessError(
            f"an answer with the arrays {', '.join(answer.arrays)} has the result {result!r:.80}; with arrays, "
            "result is an object with other names, or left out"
        )
    return result | dict(answer.arrays)


def _absolute(value: Any) -> Any:
    return str(value.absolute()) if isinstance(value, Path) else value


def _word(word: str) -> str:
    try:
        return TextTemplate(word).fill({"python": sys.executable})
    except LookupError:
        raise ValueError(
            f'command: "{word}" has a field, and a program that stays is begun before there is an item; write '
            "{{ and }} for braces that are meant, or use the step `command`, which is begun for each item"
        ) from None
