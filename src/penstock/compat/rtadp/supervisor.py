"""``Supervisor``: one process of rta-dp, as users' classes extend it; ``start`` runs the pipeline that it stands for.

It opens no socket and reads no data: sources, stages and sinks of the pipeline do. It says what the configuration says,
makes the analyses, and holds the hooks for data that come in.
"""

import inspect
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

from penstock.compat.rtadp.block import Block
from penstock.compat.rtadp.config_lookup import ConfigurationManager
from penstock.compat.rtadp.log import Log
from penstock.compat.rtadp.manager import WorkerManager
from penstock.compat.rtadp.messages import COMMANDS, Command, Notice, NoticeKind, encode_notice
from penstock.compat.rtadp.outlet import Outlet
from penstock.compat.rtadp.raised import raised
from penstock.errors import RemoteProtocolError

__all__ = ["Supervisor"]


class Supervisor:
    """A process. Subclass it to name analyses (``start_managers``) and to open data (``decode_data``, ``open_file``).

    Parameters
    ----------
    config_file
        The configuration.
    name
        Its block, ``processname``.

    Raises
    ------
    CheckError
        If the configuration or the block is not as it should be, with every mistake.
    """

    uses: ClassVar[Sequence[str]] = ()
    """By number of the manager, the class of its workers as ``module:Class``, for those that no subclass makes."""

    made_with: tuple[tuple[Any, ...], dict[str, Any]]

    def __new__(cls, *arguments: Any, **named: Any) -> Self:
        """Remember what it is made with: a worker in another process has one like it."""
        found = super().__new__(cls)
        found.made_with = (arguments, named)
        return found

    def __init__(self, config_file: str = "config.json", name: str = "None") -> None:
        self.name = self.fullname = name
        self.globalname = f"Supervisor-{name}"
        self.load_configuration(config_file, name)
        self.processingtype = self.block.processing
        self.dataflowtype = self.block.flow
        self.datasockettype = self.block.sockets
        self.logger = Log(Path(self.block.logs) / f"{self.globalname}.log" if self.block.logs else None)
        self.pid = os.getpid()
        self.manager_workers: list[WorkerManager] = []
        self.socket_lp_result: list[Any] = [None] * 100
        self.socket_hp_result: list[Any] = [None] * 100
        self.socket_monitoring = Outlet(self.block.monitoring)
        self.status = "Initialised"
        self.processdata = 0
        self.stopdata = True
        self.continueall = True
        self.commands: list[Command] = []
        """Asked for here, and not obeyed yet."""
        self.wake: Any = _nothing

    def load_configuration(self, config_file: str, name: str = "CommandCenter") -> None:
        """Read the configuration."""
        self.config_file = str(config_file)
        self.config_manager = ConfigurationManager(config_file)
        self.block: Block = self.config_manager.block(name)
        self.config = dict(self.block.written)
        (
            self.manager_result_sockets_type, self.manager_result_dataflow_type, self.manager_result_lp_sockets,
            self.manager_result_hp_sockets, self.manager_num_workers, self.workername, self.name_workers,
        ) = self.config_manager.get_workers_config(name)  # fmt: skip

    @property
    def context(self) -> Any:  # a zmq.Context
        """ZeroMQ's, for receivers of users' own."""
        import zmq

        return zmq.Context.instance()

    # What users' classes override

    def start_managers(self) -> None:
        """Make the analyses; what is not overridden makes one for each that the configuration has."""
        for number, name in enumerate(self.workername):
            self.manager_workers.append(WorkerManager(number, self, name))

    def start_service_threads(self) -> None:
        """Begin with receivers of one's own, for ``custom`` data sockets."""

    def decode_data(self, data: bytes) -> Any:  # whatever the analysis takes
        """Return what binary data are."""
        return data

    def open_file(self, filename: bytes) -> tuple[Sequence[Any], int]:
        """Return the items of a file, and how many there are."""
        return [filename], 1

    # What they call

    def start(self) -> None:
        """Run the process until somebody shuts it down.

        SIGTERM is a clean shutdown, SIGINT a shutdown; a second one ends at once.

        Raises
        ------
        SystemExit
            If it did not end well, with the exit code of the run.
        CheckError
            If it cannot begin.
        """
        from penstock.compat.rtadp.own_run import run_supervisor

        run_supervisor(self)

    def start_workers(self) -> None:
        """Make the workers of all analyses."""
        for number, manager in enumerate(self.manager_workers):
            manager.start_workers(self.manager_num_workers[number])

    def setup_result_channel(self, manager: WorkerManager, indexmanager: int) -> None:
        """Do nothing: the sinks of the pipeline send results."""

    def send_alarm(self, level: int, message: str, pidsource: str, code: int = 0, priority: str = "Low") -> None:
        """Send an alarm to whoever monitors; without waiting."""
        self._notice("alarm", level, message, pidsource, code, priority)

    def send_log(self, level: int, message: str, pidsource: str, code: int = 0, priority: str = "Low") -> None:
        """Send a log line to whoever monitors; without waiting."""
        self._notice("log", level, message, pidsource, code, priority)

    def send_info(self, level: int, message: str, pidsource: str, code: int = 0, priority: str = "Low") -> None:
        """Send an information to whoever monitors; without waiting."""
        self._notice("info", level, message, pidsource, code, priority)

    def command_start(self) -> None:
        """Ask for what the command ``start`` does; like all of these it comes back before that is done."""
        self.ask("start")

    def command_stop(self) -> None:
        """Ask for what the command ``stop`` does."""
        self.ask("stop")

    def command_startdata(self) -> None:
        """Ask for what the command ``startdata`` does."""
        self.ask("startdata")

    def command_stopdata(self) -> None:
        """Ask for what the command ``stopdata`` does."""
        self.ask("stopdata")

    def command_startprocessing(self) -> None:
        """Ask for what the command ``startprocessing`` does."""
        self.ask("startprocessing")

    def command_stopprocessing(self) -> None:
        """Ask for what the command ``stopprocessing`` does."""
        self.ask("stopprocessing")

    def command_reset(self) -> None:
        """Ask for what the command ``reset`` does."""
        self.ask("reset")

    def command_shutdown(self) -> None:
        """Ask for what the command ``shutdown`` does."""
        self.ask("shutdown")

    def command_cleanedshutdown(self) -> None:
        """Ask for what the command ``cleanedshutdown`` does."""
        self.ask("cleanedshutdown")

    def stop_all(self, fast: bool = False) -> None:  # noqa: ARG002 - as rta-dp has it
        """Ask for what the command ``shutdown`` does."""
        self.ask("shutdown")

    def handle_signals(self, signum: int, frame: object = None) -> None:  # noqa: ARG002 - as signal handlers are
        """Ask for what a signal asks for."""
        self.ask("cleanedshutdown" if signum == signal.SIGTERM else "shutdown")

    # What the pipeline asks

    def ask(self, subtype: str) -> None:
        """Have a command obeyed soon, from any thread.

        Raises
        ------
        RemoteProtocolError
            If there is no such command.
        """
        if subtype not in COMMANDS:
            raise RemoteProtocolError(f"there is no command {subtype!r}; there are {', '.join(COMMANDS)}")
        self.commands.append(Command(subtype=subtype, pidsource=self.name, pidtarget=self.name))
        self.wake()

    def worker_class(self, manager: int) -> Any:  # a class with process_data
        """Return the class of a manager's workers that the configuration names; ``None`` if it names none."""
        from penstock.compat.rtadp.crew import worker_class

        name = self.uses[manager] if manager < len(self.uses) else ""
        return worker_class(name, Path(self.config_file).parent) if name else None

    def has_own(self, hook: str) -> bool:
        """Whether a subclass has overridden a hook."""
        return inspect.getattr_static(type(self), hook) is not inspect.getattr_static(Supervisor, hook)

    def muster(self) -> None:
        """Make all analyses and their workers."""
        self.start_managers()
        self.start_workers()

    def _notice(self, kind: NoticeKind, level: int, message: object, source: str, code: int, priority: str) -> None:
        notice = Notice(
            kind=kind, pidsource=str(source), level=int(level), code=int(code), message=str(message),
            time_s=time.time(), priority=str(priority),
        )  # fmt: skip
        self.socket_monitoring.send(encode_notice(notice))
        raised(notice)


def _nothing() -> None: ...
