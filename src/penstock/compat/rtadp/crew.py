"""The users' classes of one process of rta-dp, made once in each process of ours that needs them.

The main process has the supervisor with its hooks, and the workers that are threads. A process of one worker has a
supervisor like it and that one worker. None of them opens a socket for data.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock.compat.rtadp.namespace import serve_rtadp
from penstock.compat.rtadp.supervisor import Supervisor
from penstock.elements.user_modules import find_class, find_object
from penstock.errors import CheckError, PenstockError, Problem, UserCodeError

__all__ = ["Crew", "Process", "crew_of", "enter", "supervisor_class", "worker_class"]

FACE = "Supervisor"
"""Where users have the class from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """Which process it is, as entries of a pipeline name it."""

    name: str
    config: str
    """Path of the configuration; a relative one is looked for in ``folder``."""
    supervisor: str = ""
    """The user's class as ``module:Class``; empty: rta-dp's own."""
    uses: tuple[str, ...] = ()
    """Of each manager the class of its workers."""
    arguments: tuple[Any, ...] | None = None
    """What the supervisor is made with; ``None``: configuration and name."""
    named: Mapping[str, Any] | None = None
    folder: str = "."

    @classmethod
    def of(cls, written: Mapping[str, Any], folder: str) -> "Process":
        """Return what an entry says."""
        return cls(
            name=written["name"],
            config=written["config"],
            supervisor=written.get("supervisor", ""),
            uses=tuple(written.get("uses", ())),
            arguments=None if "arguments" not in written else tuple(written["arguments"]),
            named=written.get("named"),
            folder=folder,
        )

    @property
    def written(self) -> dict[str, Any]:
        """As an entry says it; the folder is the pipeline's."""
        found: dict[str, Any] = {"name": self.name, "config": self.config}
        if self.supervisor:
            found["supervisor"] = self.supervisor
        if self.uses:
            found["uses"] = list(self.uses)
        if self.arguments is not None:
            found["arguments"] = list(self.arguments)
        if self.named:
            found["named"] = dict(self.named)
        return found

    @property
    def path(self) -> Path:
        """Of the configuration."""
        return Path(self.folder) / self.config

    @property
    def key(self) -> tuple[str, str, str, tuple[str, ...]]:
        """What makes two of them the same."""
        return self.name, str(self.path.resolve()), self.supervisor, self.uses

    def made(self) -> Supervisor:
        """Make the supervisor.

        Raises
        ------
        CheckError
            If its class is not there, or the configuration is not as it should be.
        UserCodeError
            If it cannot be made.
        """
        serve_rtadp()
        found = supervisor_class(self.supervisor, Path(self.folder)) if self.supervisor else Supervisor
        own = type(found.__name__, (found,), {"uses": self.uses}) if self.uses else found
        arguments = (str(self.path), self.name) if self.arguments is None else self.arguments
        try:
            made: Supervisor = own(*arguments, **(self.named or {}))
        except PenstockError:
            raise
        except (Exception, SystemExit) as error:
            text = f"{self.supervisor or 'Supervisor'} could not be made: {type(error).__name__}: {error}"
            raise UserCodeError(text, stage="") from error
        return made


class Crew:
    """A supervisor and whom it has.

    Parameters
    ----------
    supervisor
        Made.
    """

    def __init__(self, supervisor: Supervisor) -> None:
        self.supervisor = supervisor
        self._lock = threading.Lock()
        self._is_mustered = False

    def muster(self) -> None:
        """Have the analyses made, and workers that are threads; the second time nothing happens.

        Raises
        ------
        UserCodeError
            If users' code raises.
        """
        with self._lock:
            if self._is_mustered:
                return
            self._is_mustered = True
            supervisor = self.supervisor
            try:
                if not supervisor.manager_workers:
                    supervisor.start_managers()
                if supervisor.processingtype == "thread":
                    supervisor.start_workers()
            except (Exception, SystemExit) as error:
                text = f"{type(supervisor).__name__} could not make its managers: {type(error).__name__}: {error}"
                raise UserCodeError(text, stage="") from error

    @property
    def managers(self) -> list[int]:
        """The numbers of the analyses that there are."""
        return [manager.manager_id for manager in self.supervisor.manager_workers]

    def recruit(self, manager: int, number: int) -> Any:  # a WorkerThread or WorkerProcess
        """Return a worker.

        Raises
        ------
        UserCodeError
            If users' code raises, or makes no such worker.
        """
        self.muster()
        with self._lock:
            found = next((each for each in self.supervisor.manager_workers if each.manager_id == manager), None)
            if found is None:
                raise UserCodeError(f"{type(self.supervisor).__name__} makes no manager {manager}", stage="")
            try:
                return found.recruit(number)
            except (Exception, SystemExit) as error:
                text = f"{found.fullname}: worker {number} could not be made: {type(error).__name__}: {error}"
                raise UserCodeError(text, stage="") from error


_crews: dict[tuple[str, str, str, tuple[str, ...]], Crew] = {}
_making = threading.RLock()


def crew_of(process: Process) -> Crew:
    """Return the crew of a process, made when it is asked for first.

    Raises
    ------
    CheckError, UserCodeError
        If it cannot be made.
    """
    with _making:
        found = _crews.get(process.key)
        if found is None:
            found = _crews[process.key] = Crew(process.made())
        return found


def enter(process: Process, supervisor: Supervisor) -> Crew:
    """Let a supervisor that a program has made be that of a process."""
    with _making:
        _crews[process.key] = crew = Crew(supervisor)
        return crew


def leave(supervisor: Supervisor) -> None:
    """Let nobody have a supervisor any more whose run has ended; another run makes another."""
    with _making:
        for key in [key for key, crew in _crews.items() if crew.supervisor is supervisor]:
            del _crews[key]


def supervisor_class(name: str, folder: Path) -> type[Supervisor]:
    """Return a user's class of supervisors.

    Raises
    ------
    CheckError
        If there is none of that name, or it is none.
    """
    serve_rtadp()
    return find_class(name, folder, Supervisor, FACE)


def worker_class(name: str, folder: Path) -> Any:  # a class with process_data
    """Return a user's class of workers.

    Raises
    ------
    CheckError
        If there is none of that name, or it is none.
    """
    serve_rtadp()
    found = find_object(name, folder)
    if not isinstance(found, type) or not callable(getattr(found, "process_data", None)):
        remedy = "name a subclass of WorkerBase or of Supervisor"
        raise CheckError([Problem(where=name, text="is no class with a method process_data", remedy=remedy)])
    return found
