"""A running pipeline as process variables over PVAccess: it is asked now and then, and told what others write.

It survives the pipeline: while nobody answers, all it serves is ``INVALID``.
"""

import json
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import msgspec

from penstock.client import Connection, connect
from penstock.compat.epics.parameters import parameter_name, said_of_parameter, value_of_parameter
from penstock.compat.epics.records import COMMANDS, UNREACHED, feedback_records, status_records
from penstock.elements.pv_name import pv_name
from penstock.elements.pva_server import PvaServer, Writer
from penstock.elements.pva_values import INVALID, Said, said_of
from penstock.errors import ParameterError, ResultTypeError, ServiceError, StateError
from penstock.monitor.report import report_before

__all__ = ["EpicsDoor"]

_TAKES_REASON: Final = ("finish", "drain", "abort")
_NO_RUN: Final = "no run goes on"


class EpicsDoor:
    """Serve a pipeline's status, books, load, views, parameters and commands.

    Parameters
    ----------
    address
        Of the pipeline, as it printed it.
    prefix
        How all names begin.
    server
        Not yet open.
    read_only
        Whether nobody can write parameters and commands.
    most_MB
        Views larger than this are left out.
    tell
        Is given a line when the pipeline is found, lost, or something cannot be served.
    """

    def __init__(
        self,
        address: str,
        prefix: str,
        server: PvaServer,
        *,
        read_only: bool = False,
        most_MB: float = 64.0,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._address, self._prefix = address, prefix
        self.server = server
        self._read_only = read_only
        self._most_bytes = int(most_MB * 1e6)
        self._tell = tell
        self._connection: Connection | None = None
        self._is_reached: bool | None = None
        self._versions: dict[str, tuple[str, int]] = {}
        self._told: set[str] = set()
        self._setting = threading.Lock()
        """So that what was set is not followed by what was asked before."""
        self._news = threading.Event()

    def open(self) -> None:
        """Begin to serve.

        Raises
        ------
        ServiceError
            If nothing can be served there.
        MissingExtraError
            If p4p is not installed.
        """
        self.server.open()
        self._say("STATE", said_of(UNREACHED, severity=INVALID, alarm="it was not asked yet", doc="Of the pipeline."))
        for name, (command, doc) in COMMANDS.items():
            write = None if self._read_only else partial(self._command, command)
            self._say(f"CMD:{name}", said_of("", doc=doc), write)

    def close(self) -> None:
        """Serve no more."""
        self.server.close()
        if self._connection is not None:
            self._connection.close()

    def wait(self, every_s: float) -> None:
        """Return after so long, or when somebody has written something."""
        self._news.wait(every_s)
        self._news.clear()

    def look(self) -> bool:
        """Ask the pipeline, and say what it says; return whether it answered."""
        try:
            connection = self._connected()
            status = _status(connection)
            self._say_status(status)
            for name, said in feedback_records(next(reversed(connection.feedback()), None)):
                self._say(name, said)
            self._say_views(connection, str(status["run"]))
            self._say_parameters(connection)
        except ServiceError as error:
            self._lose(str(error))
            return False
        except StateError:  # a run has just ended, or another one begins: what was said stays until the next look
            return True
        if not self._is_reached:
            self._is_reached = True
            self._tell(f"{connection.pipeline} at {self._address} answers; {len(self.server.names)} process variables")
        return True

    def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = connect(self._address)
        return self._connection

    def _lose(self, why: str) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None  # what comes back may be another pipeline
        self._versions.clear()
        self._say("STATE", said_of(UNREACHED, severity=INVALID, alarm=why, doc="Of the pipeline."))
        self.server.doubt("the pipeline does not answer", self._below("STATE", "CMD:"))
        if self._is_reached is not False:
            self._is_reached = False
            self._tell(f"{why} It is looked for.")

    def _below(self, *without: str) -> list[str]:
        """Return the names that begin with none of these."""
        beginnings = tuple(self._prefix + each for each in without)
        return [name for name in self.server.names if not name.startswith(beginnings)]

    def _say(self, name: str, said: Said, write: Writer | None = None) -> None:
        self.server.say(self._prefix + name, said, None if self._read_only else write, if_new=True)

    # What it says

    def _say_status(self, status: Mapping[str, Any]) -> None:
        scaled = {each["name"] for each in status["states"] if each["kind"] == "stage"}
        names = {pv_name("STAGE", name, "WORKERS"): name for name in scaled}
        said_now = {}
        for name, said in status_records(status):
            said_now[name] = said
            self._say(name, said, partial(self._scale, names[name]) if name in names else None)
        self._forget_others(("EDGE:", "STAGE:", "WORKER:", "SOURCE:", "JOIN:", "ALARM:"), said_now)

    def _forget_others(self, kinds: tuple[str, ...], kept: Mapping[str, Any]) -> None:
        kept_names = {self._prefix + name for name in kept}
        beginnings = tuple(self._prefix + kind for kind in kinds)
        gone = [name for name in self.server.names if name.startswith(beginnings) and name not in kept_names]
        self.server.forget(gone)

    def _say_views(self, connection: Connection, run: str) -> None:
        views = connection.views
        for name, view in views.items():
            shown = (run, view.version)
            if self._versions.get(name) == shown:
                continue
            nbytes = view.dtype.itemsize
            for length in view.shape:
                nbytes *= length
            if nbytes > self._most_bytes:
                size = f"{nbytes / 1e6:.1f} MB, and {self._most_bytes / 1e6:g} are the most (--most-MB)"
                self._tell_once(f"view {name} is not served: it has {size}")
                continue
            try:
                said = said_of(view[...], unit=view.unit, doc=view.title, number=view.version)
            except ResultTypeError as error:
                self._tell_once(f"view {name} is not served: {error}")
                continue
            except ServiceError:
                if name in connection.views:
                    raise
                continue  # it has gone with its run
            self._versions[name] = (run, view.version)
            self._say(pv_name("VIEW", name), said)
        self._versions = {name: shown for name, shown in self._versions.items() if name in views}
        self._forget_others(("VIEW:",), {pv_name("VIEW", name): None for name in views})

    def _say_parameters(self, connection: Connection) -> None:
        with self._setting:
            try:
                described = connection.parameters.describe()
            except StateError:  # between two runs
                beginning = f"{self._prefix}PAR:"
                self.server.doubt(_NO_RUN, [name for name in self.server.names if name.startswith(beginning)])
                return
            for each in described:
                self._say(parameter_name(each), said_of_parameter(each), partial(self._set, each["address"]))
        self._forget_others(("PAR:",), {parameter_name(each): None for each in described})

    def _tell_once(self, line: str) -> None:
        if line not in self._told:
            self._told.add(line)
            self._tell(line)

    # What is written; in a thread of the server

    def _set(self, address: str, written: Any, who: str) -> Any:
        with self._setting:
            knobs = self._asked().parameters
            described = next((each for each in knobs.describe() if each["address"] == address), None)
            if described is None:
                raise ParameterError(f'there is no parameter "{address}" any more')
            knobs.set({address: value_of_parameter(described, written)}, who=f"EPICS {who}")
            now = next(each for each in knobs.describe() if each["address"] == address)
            return said_of_parameter(now).value

    def _scale(self, stage: str, written: Any, who: str) -> None:
        self._do("scale", stage, who, workers=int(written))

    def _command(self, name: str, written: Any, who: str) -> str:
        text = str(written).strip()
        arguments = {"reason": text} if name in _TAKES_REASON and text else {}
        if name == "arm":
            arguments = _wish(text)
        return self._do(name, "", who, **arguments)

    def _do(self, name: str, target: str, who: str, **arguments: Any) -> str:
        reply = self._asked().command(name, target, who=f"EPICS {who}", **arguments)
        self._news.set()
        if not reply.is_done:
            raise ValueError(reply.text)
        return reply.text

    def _asked(self) -> Connection:
        if (connection := self._connection) is None:
            raise ServiceError("the pipeline does not answer")
        return connection


def _status(connection: Connection) -> Mapping[str, Any]:
    """Return the report of the run; as long as none has begun, one of nothing."""
    try:
        return connection.status
    except StateError:
        states = connection.states
        if states["run"]:
            raise
        return dict(msgspec.to_builtins(report_before(states)))


def _wish(text: str) -> dict[str, Any]:
    """Return the arguments of ``arm``: an object in JSON, or the name of the run, or nothing."""
    if not text.startswith("{"):
        return {"run": text} if text else {}
    try:
        return dict(json.loads(text))
    except ValueError as error:
        raise ValueError(f'this is no JSON: {error}; write a name, or {{"values": {{"fit.roi": 3}}}}') from None


def serve(door: EpicsDoor, every_s: float, is_over: Callable[[], bool]) -> None:
    """Serve until it is over.

    Parameters
    ----------
    door
        Which is open.
    every_s
        How often the pipeline is asked, in s.
    is_over
        Asked at every turn.
    """
    while not is_over():
        began = time.monotonic()
        door.look()
        door.wait(max(0.05, every_s - (time.monotonic() - began)))
