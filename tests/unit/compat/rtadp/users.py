"""Classes as users of rta-dp write them, but for where they import from."""

import os
import threading
from typing import Any

from penstock.compat.rtadp.manager import WorkerManager
from penstock.compat.rtadp.supervisor import Supervisor
from penstock.compat.rtadp.workers import WorkerBase, WorkerProcess, WorkerThread

made: list[int] = []
"""By which process each worker was made."""


class Echo(WorkerBase):
    def __init__(self) -> None:
        super().__init__()
        made.append(os.getpid())
        self.configurations: list[Any] = []

    def config(self, configuration: dict[str, Any]) -> None:
        super().config(configuration)
        if configuration["config"] == "bad":
            raise ValueError("no such setting")
        self.configurations.append(configuration["config"])

    def process_data(self, data: Any, priority: int) -> Any:
        if data == "bad":
            raise ValueError("bad item")
        return None if data == "none" else f"{data} {priority} {self.fullname}"


class Older(WorkerBase):
    def process_data(self, data: Any) -> Any:  # type: ignore[override]  # as classes of earlier versions have it
        return data


class Manager(WorkerManager):
    def start_worker_threads(self, num_threads: int) -> None:
        super().start_worker_threads(num_threads)
        for i in range(num_threads):
            thread = WorkerThread(i, self, self.workersname, Echo(), self._workers_stop_event)
            self.worker_threads.append(thread)
            thread.start()

    def start_worker_processes(self, num_processes: int) -> None:
        super().start_worker_processes(num_processes)
        for i in range(num_processes):
            process = WorkerProcess(i, self, "own", Older())
            self.worker_processes.append(process)
            process.start()


class Sup(Supervisor):
    def __init__(self, config_file: str = "config.json", name: str = "P") -> None:
        super().__init__(config_file, name)

    def start_managers(self) -> None:
        manager = Manager(0, self, self.workername[0])
        self.setup_result_channel(manager, 0)
        manager.start()
        self.manager_workers.append(manager)

    def decode_data(self, data: bytes) -> Any:
        return data[::-1]

    def open_file(self, filename: bytes) -> tuple[list[Any], int]:
        if filename == b"gone":
            raise FileNotFoundError(filename)
        return [filename, 1, 2, 3], 3


class Receiver(Sup):
    def start_service_threads(self) -> None:
        threading.Thread(target=self.receive, daemon=True).start()

    def receive(self) -> None:
        for manager in self.manager_workers:
            manager.low_priority_queue.put("a")
            manager.high_priority_queue.put("b")
