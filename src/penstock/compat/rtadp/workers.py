"""The classes that users' analyses are made of: ``WorkerBase``, which they subclass, and what stands for a worker.

A ``WorkerThread`` or ``WorkerProcess`` is no thread and no process here: the pipeline has those. It says which analysis
belongs to which worker.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penstock.compat.rtadp.manager import WorkerManager
    from penstock.compat.rtadp.supervisor import Supervisor

__all__ = ["WorkerBase", "WorkerProcess", "WorkerThread"]


class WorkerBase:
    """An analysis: subclass it, and write ``process_data``."""

    manager: Any
    supervisor: Any
    logger: Any
    workersname: str
    fullname: str

    def __init__(self) -> None:
        pass

    def init(self, manager: "WorkerManager", supervisor: "Supervisor", workersname: str, fullname: str) -> None:
        """Learn whose worker it is; called before the first item."""
        self.manager = manager
        self.supervisor = supervisor
        self.logger = supervisor.logger
        self.workersname = workersname
        self.fullname = fullname

    def config(self, configuration: dict[str, Any]) -> None:
        """Take a configuration message, of which every worker gets each; ``pidtarget`` in its header says who is meant.

        Parameters
        ----------
        configuration
            The whole message: ``header`` and ``config``.
        """
        if configuration["header"]["pidtarget"] in (self.workersname, self.fullname):
            self.logger.system(f"configuration received: {configuration}", extra=self.fullname)

    def process_data(self, data: Any, priority: int) -> Any:  # both are the user's
        """Return the result of an item; ``None``: there is none, and nothing is sent.

        Parameters
        ----------
        data
            As it came, or as ``decode_data`` and ``open_file`` made it.
        priority
            1 of the high lane, 0 of the low one.
        """


class _Recruit:
    """An analysis as one of the workers of a manager.

    Parameters
    ----------
    worker_id
        Number of the worker, from 0.
    manager
        Whose worker it is.
    name
        Of the group of workers.
    worker
        The user's analysis.
    event
        What rta-dp stops workers by; nothing is done with it.
    """

    def __init__(self, worker_id: int, manager: "WorkerManager", name: str, worker: Any, event: object = None) -> None:
        self.worker_id = worker_id
        self.manager = manager
        self.supervisor = manager.supervisor
        self.name = name
        self.worker = worker
        self.workersname = f"{self.supervisor.name}-{manager.name}-{name}"
        self.fullname = f"{self.workersname}-{worker_id}"
        self.globalname = f"{type(self).__name__}-{self.fullname}"
        self.logger = self.supervisor.logger
        self.status = 0
        self.processing_rate = 0.0
        self.total_processed_data_count = 0
        self._stop_event = event
        worker.init(manager, self.supervisor, self.workersname, self.fullname)
        manager.enlist(self)

    def start(self) -> None:
        """Do nothing: the pipeline begins when all are there."""

    def stop(self) -> None:
        """Do nothing: workers end with the pipeline."""

    def join(self, timeout: float | None = None) -> None:
        """Wait for nothing."""

    def is_alive(self) -> bool:
        """Whether it may still be at work."""
        return bool(self.supervisor.continueall)

    def config(self, configuration: dict[str, Any]) -> None:
        """Give the analysis a configuration."""
        self.worker.config(configuration)


class WorkerThread(_Recruit):
    """A worker that is a thread."""


class WorkerProcess(_Recruit):
    """A worker that is a process."""
