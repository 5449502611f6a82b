# mypy: ignore-errors
"""Analyses as users of rta-dp write them: these names are no modules of anybody's here."""

import sys
import time

from Supervisor import Supervisor
from WorkerBase import WorkerBase
from WorkerManager import WorkerManager
from WorkerProcess import WorkerProcess
from WorkerThread import WorkerThread


class Echo(WorkerBase):
    def __init__(self):
        super().__init__()
        self.last = "nothing"

    def config(self, configuration):
        super().config(configuration)
        self.last = configuration["config"]

    def process_data(self, data, priority):
        if data == "bad":
            raise ValueError("bad item")
        if data == "none":
            return None
        if data == "slow":
            time.sleep(0.2)
        if data == "alarm":
            self.supervisor.send_alarm(3, "too hot", self.fullname, code=7)
        if data == "last":
            return f"last is {self.last}"
        return f"{data} {priority}"


class EchoManager(WorkerManager):
    def __init__(self, manager_id, supervisor, name=""):
        super().__init__(manager_id, supervisor, name)

    def start_worker_threads(self, num_threads):
        super().start_worker_threads(num_threads)
        for i in range(num_threads):
            thread = WorkerThread(
                i, self, self.supervisor.name_workers[self.manager_id], Echo(), self._workers_stop_event
            )
            self.worker_threads.append(thread)
            thread.start()

    def start_worker_processes(self, num_processes):
        super().start_worker_processes(num_processes)
        for i in range(num_processes):
            process = WorkerProcess(
                i, self, self.supervisor.name_workers[self.manager_id], Echo(), self._workers_stop_event
            )
            self.worker_processes.append(process)
            process.start()


class EchoSupervisor(Supervisor):
    def __init__(self, config_file="config.json", name="P"):
        super().__init__(config_file, name)

    def start_managers(self):
        for number, name in enumerate(self.workername):
            manager = EchoManager(number, self, name)
            self.setup_result_channel(manager, number)
            manager.start()
            self.manager_workers.append(manager)

    def open_file(self, filename):
        return [f"{filename.decode()}:{number}" for number in range(3)], 3


if __name__ == "__main__":
    EchoSupervisor(sys.argv[1], "P").start()
