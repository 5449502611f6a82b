"""The step in which an analysis of rta-dp works: a user's ``process_data``, once for each worker of a stage."""

import inspect
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from penstock.compat.rtadp.block import ResultFlow
from penstock.compat.rtadp.crew import Crew, Process, crew_of
from penstock.elements.numbered import Numbered
from penstock.errors import ResultTypeError

__all__ = ["MOST_BYTES", "Worker", "configurations_of"]

MOST_BYTES: Final = 40_000
"""Of the configurations that a worker is told again when it takes the place of another; longer ones are refused."""
DONE: Final = True
"""What comes of an item whose result goes nowhere."""


class Worker(Numbered):
    """One worker of an analysis.

    Takes pairs of priority and data, and gives what is sent: text or bytes.

    Parameters
    ----------
    process
        Whose it is: ``name``, ``config``, and ``supervisor`` or ``uses``.
    manager
        The number of the analysis.
    result
        How results are sent: ``string`` and ``filename`` as text, ``binary`` as bytes, ``none`` not at all.
    configurations
        The configuration messages so far, as ``configurations_of`` writes them; each is given to ``config`` once.
    """

    folder: str = "."

    def __init__(
        self,
        process: Mapping[str, Any],
        manager: int,
        result: ResultFlow = "string",
        *,
        configurations: str = "",
    ) -> None:
        self._process = process
        self._manager = manager
        self._result = result
        self._worker: Any = None  # the user's
        self._crew: Crew | None = None
        self._takes_priority = True
        self._told = 0
        self._configurations = configurations

    def take_number(self, number: int) -> None:
        """Have the user's worker made.

        Raises
        ------
        UserCodeError, CheckError
            If it cannot be.
        """
        self._crew = crew_of(Process.of(self._process, self.folder))
        recruit = self._crew.recruit(self._manager, number)
        self._worker = recruit.worker
        self._takes_priority = _takes_priority(self._worker.process_data)
        self._configure()

    @property
    def configurations(self) -> str:
        """The configuration messages so far."""
        return self._configurations

    @configurations.setter
    def configurations(self, written: str) -> None:
        self._configurations = written
        if self._worker is not None:
            self._configure()

    def __call__(self, item: Any) -> Any:  # a pair of priority and data
        """Return what the user's worker makes of an item; ``None`` if nothing.

        Raises
        ------
        ResultTypeError
            If binary results are asked for, and it is none.
        """
        priority, data = item
        worker = self._worker
        result = worker.process_data(data, priority) if self._takes_priority else worker.process_data(data)
        if result is None:
            return None
        if self._result in ("string", "filename"):
            return str(result)
        if self._result == "none":
            return DONE
        if not isinstance(result, bytes | bytearray | memoryview):
            raise ResultTypeError(f"a {type(result).__name__} is no binary result; return bytes")
        return bytes(result)

    def close(self) -> None:
        """Let what it has said be sent."""
        if self._crew is not None and self._crew.supervisor.processingtype == "process":
            self._crew.supervisor.socket_monitoring.close()

    def _configure(self) -> None:
        """Give the user's worker what it was not told yet; what it raises concerns nobody else."""
        if not self._configurations:
            return
        for number, message in msgspec.json.decode(self._configurations, type=list[tuple[int, dict[str, Any]]]):
            if number <= self._told:
                continue
            self._told = number
            try:
                self._worker.config(message)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - it is told, and the worker goes on
                supervisor, name = self._worker.supervisor, self._worker.fullname
                text = f"config raised {type(error).__name__}: {error}"
                supervisor.logger.error(text, extra=name)
                supervisor.send_alarm(2, text, name)


def configurations_of(kept: list[tuple[int, str]]) -> str:
    """Write numbered configuration messages, each JSON, for ``Worker.configurations``.

    >>> configurations_of([(1, '{"config": {"a": 1}}')])
    '[[1,{"config": {"a": 1}}]]'
    """
    return f"[{','.join(f'[{number},{text}]' for number, text in kept)}]"


def _takes_priority(call: Any) -> bool:  # a user's process_data
    """Whether it takes the priority; older classes do not."""
    try:
        inspect.signature(call).bind(None, 0)
    except TypeError:
        return False
    except ValueError:  # of what is written in C nothing is known
        return True
    return True
