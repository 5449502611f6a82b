"""``WorkerManager``: one analysis of a process, as users' classes make it; which workers it has, and what they are.

It is no thread, and has no queues of its own but those that users' receivers put data into.
"""

import threading
from typing import TYPE_CHECKING, Any

from penstock.compat.rtadp.lane_queue import LaneQueue
from penstock.compat.rtadp.workers import WorkerProcess, WorkerThread

if TYPE_CHECKING:
    from penstock.compat.rtadp.supervisor import Supervisor

__all__ = ["EnoughError", "WorkerManager"]


class EnoughError(BaseException):
    """The one worker is there that was wanted; no error of the user's, and caught by no ``except Exception``."""


class WorkerManager:
    """An analysis. Subclass it, and make workers in ``start_worker_threads`` and ``start_worker_processes``.

    What is not overridden makes workers of the class that the configuration names.

    Parameters
    ----------
    manager_id
        Its place in the configuration's list, from 0.
    supervisor
        Whose analysis it is.
    name
        By which messages call it, behind that of the process.
    """

    def __init__(self, manager_id: int, supervisor: "Supervisor", name: str = "None") -> None:
        self.manager_id = manager_id
        self.supervisor = supervisor
        self.name = name
        self.fullname = f"{supervisor.name}-{name}"
        self.globalname = f"WorkerManager-{self.fullname}"
        self.workersname = supervisor.name_workers[manager_id]
        self.config = supervisor.config
        self.logger = supervisor.logger
        self.processingtype = supervisor.processingtype
        self.result_socket_type = supervisor.manager_result_sockets_type[manager_id]
        self.result_dataflow_type = supervisor.manager_result_dataflow_type[manager_id]
        self.result_lp_socket = supervisor.manager_result_lp_sockets[manager_id]
        self.result_hp_socket = supervisor.manager_result_hp_sockets[manager_id]
        self.low_priority_queue = LaneQueue()
        self.high_priority_queue = LaneQueue()
        self.result_lp_queue = LaneQueue()
        self.result_hp_queue = LaneQueue()
        self.max_workes = 100  # the name that users' classes know
        self.num_workers = 0
        self.worker_threads: list[Any] = []
        self.worker_processes: list[Any] = []
        self.status = "Initialised"
        self.processdata = 0
        self.stopdata = True
        self.continueall = True
        self.pid = supervisor.pid
        self.monitoringpoint = None
        self._workers_stop_event = threading.Event()
        self._recruits: dict[int, Any] = {}
        self._wanted: int | None = None

    def start_worker_threads(self, num_threads: int) -> None:
        """Make workers that are threads."""
        self.num_workers = num_threads
        self._make(WorkerThread, self.worker_threads, num_threads)

    def start_worker_processes(self, num_processes: int) -> None:
        """Make workers that are processes."""
        self.num_workers = num_processes
        self._make(WorkerProcess, self.worker_processes, num_processes)

    def start(self) -> None:
        """Do nothing: the pipeline begins when all are there."""

    def stop(self, fast: bool = False) -> None:
        """Do nothing: it ends with the pipeline."""

    def join(self, timeout: float | None = None) -> None:
        """Wait for nothing."""

    def is_alive(self) -> bool:
        """Whether it may still be at work."""
        return bool(self.supervisor.continueall)

    def enlist(self, recruit: Any) -> None:
        """Note a worker, as it is made.

        Raises
        ------
        EnoughError
            If it is the one that was wanted.
        """
        self._recruits[recruit.worker_id] = recruit
        if recruit.worker_id == self._wanted:
            raise EnoughError

    def recruit(self, number: int) -> Any:  # a WorkerThread or WorkerProcess
        """Return a worker for whoever works; the one that was made, or, once that is taken, another like it.

        Users' code makes workers in a loop, and is stopped when it has made this one.

        Raises
        ------
        LookupError
            If the user's class makes none of that number.
        """
        if number not in self._recruits:
            self._wanted = number
            many, threads, processes = self.num_workers, self.worker_threads, self.worker_processes
            self.worker_threads, self.worker_processes = [], []  # a user's loop appends to them
            try:
                self.start_workers(number + 1)
            except EnoughError:
                pass
            finally:
                self._wanted = None
                self.num_workers = many
                self.worker_threads, self.worker_processes = threads, processes
        found = self._recruits.pop(number, None)
        if found is None:
            raise LookupError(f"{type(self).__name__} makes no worker {number}")
        return found

    def start_workers(self, count: int) -> None:
        """Make workers of the kind that the configuration says."""
        if self.processingtype == "process":
            self.start_worker_processes(count)
        else:
            self.start_worker_threads(count)

    def _make(self, kind: type[Any], made: list[Any], count: int) -> None:
        worker_class = self.supervisor.worker_class(self.manager_id)
        if worker_class is None:
            return
        for number in range(count):
            recruit = kind(number, self, self.workersname, worker_class(), self._workers_stop_event)
            made.append(recruit)
