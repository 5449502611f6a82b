"""The supervisor's side of the web process: it holds the address, starts the process, and answers what it asks.

The address is a socket that this side holds open, so it stays the same when the web process is killed and another one
follows; who connects in between waits. The run never waits for any of this.
"""

import ipaddress
import os
import select
import socket
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType, TracebackType
from typing import Any, Literal, Protocol, Self

import msgspec

from penstock.core import Timestamp
from penstock.core.alarm import UnknownAlarmError
from penstock.core.command import Command, Problem, WorkerCount
from penstock.errors import CommandError, PenstockError, RemoteProtocolError, ServiceError, StateError
from penstock.pipeline.flow_plan import NO_FLOW, FlowPlan
from penstock.pipeline.serve_address import LOCAL, PORT
from penstock.services.child import Child, Death
from penstock.services.control_desk import ControlDesk
from penstock.services.journal import JournalWish
from penstock.services.processes import Processes
from penstock.services.replays import Replays, ReplayWish
from penstock.services.served_runs import ServedRuns
from penstock.transport.seqpacket import LIMIT, Link
from penstock.wire.web import Answer, Pieces, Question, open_question, pieces

__all__ = ["Served", "StartWish", "WebOrder", "WebService"]

PORTS = 100
"""How many ports are tried."""
PROCESS = "penstock.web.web_process:run"
"""By name: this layer must not know that one."""
MOST_QUICK_DEATHS = 5
"""In a row: a web process that ends so soon each time will do so again."""
QUICK_S = 5.0
BACKLOG = 128
UNKNOWN = (
    "no parameter", "no map stage", "no source or stage", "no worker", "no join by trigger map", "no run", "no replay",
)  # fmt: skip
"""How errors begin that say that nothing has a name."""
LAST_WORDS_S = 2.0
"""How long the web process has to bring the last answers to who waits for them."""
FEEDBACK = next(pieces(Answer(0, "feedback", msgspec.Raw(b"null")), LIMIT))
"""Says that user code has said something back to the scan."""


class WebOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What a web process is to serve; beside come the listening socket, its link, and the memory of every stage."""

    pipeline: str
    run: str
    version: str
    graph: str
    """SVG."""
    flow: FlowPlan = NO_FLOW
    """The same, to be drawn by others."""
    store: str = ""
    """Where runs are recorded and streams are kept, whatever folder the process is in; empty if nobody knows."""
    stages: tuple[str, ...]
    """Those that publish views, in the order of their descriptors."""
    fds_a_stage: int
    keepers: tuple[str, ...] = ()
    """Stages that keep events; their memory comes behind that of views, one descriptor each."""
    hosts: tuple[str, ...]
    """Names by which this machine may be called, if no token is wanted: a page of another name is not let in."""
    viewer_token: str = ""
    operator_token: str = ""


class Served(Protocol):
    """The run, as whoever looks at it may use it. ``then`` is called with what JSON can hold, now or later."""

    def ask_status(self, then: Callable[[Any], None]) -> None:
        """Have a fresh report brought."""

    def notices(self, level: str, most: int) -> Any:  # what JSON can hold
        """Return the last notices; also when the run has ended."""

    def feedback(self, after: int, run: str) -> Any:  # what JSON can hold
        """Return what user code has said back to the scan, with numbers above this one; also when the run has ended.

        Raises
        ------
        StateError
            If another run was meant.
        """

    def history(self, names: Sequence[str] | None, since_s: float | None, most: int) -> Any:  # what JSON can hold
        """Return how numbers were; also when the run has ended."""

    def journal(self, wish: JournalWish) -> Any:  # what JSON can hold
        """Return what happened; also when the run has ended."""

    def parameter_changes(self, most: int) -> Any:  # what JSON can hold
        """Return the last changes of parameters; also when the run has ended."""

    def describe_parameters(self) -> Any:  # what JSON can hold
        """Return every parameter with its value."""

    def set_parameters(self, values: Mapping[str, Any], who: str, then: Callable[[Any], None]) -> None:
        """Change parameters."""

    def scale(self, stage: str, workers: WorkerCount) -> None:
        """Change the number of workers."""

    def describe_maps(self) -> Any:  # what JSON can hold
        """Return every trigger map."""

    def extend_map(self, join: str, document: bytes, then: Callable[[Any], None], *, is_last: bool) -> None:
        """Append to a trigger map; ``then`` may be given a ``StateError`` instead."""

    def describe_alarms(self) -> Any:  # what JSON can hold
        """Return every alarm, and what has happened to them."""

    def acknowledge_alarm(self, name: str, who: str) -> Any:  # what JSON can hold
        """Say that somebody knows of an alarm."""

    def mute_alarm(self, name: str, for_s: float, who: str) -> Any:  # what JSON can hold
        """Tell nobody of an alarm for so long."""

    def end(self, reason: str, *, at_once: bool) -> None:
        """Stop the run."""


class StartWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A run that somebody wants, when the one before has ended."""

    run: str = ""
    """Its name; by default made of the time."""
    existing: Literal["refuse", "next"] = "refuse"
    """What becomes of a name that another run has: refuse it, or take the next one that is free."""
    trigger_maps: dict[str, msgspec.Raw] = {}
    """By join."""
    values: dict[str, Any] = {}
    """Start values of parameters."""


class _Most(msgspec.Struct, forbid_unknown_fields=True):
    most: int = 100


class _OfRun(msgspec.Struct, forbid_unknown_fields=True):
    run: str
    who: str = ""


class _Set(msgspec.Struct, forbid_unknown_fields=True):
    values: dict[str, Any]
    who: str = ""


class _Scale(msgspec.Struct, forbid_unknown_fields=True):
    stage: str
    workers: WorkerCount


class _Extend(msgspec.Struct, forbid_unknown_fields=True):
    join: str
    trigger_map: msgspec.Raw
    last: bool = False


class _Acknowledge(msgspec.Struct, forbid_unknown_fields=True):
    alarm: str
    who: str = ""


class _Mute(msgspec.Struct, forbid_unknown_fields=True):
    alarm: str
    for_s: float
    who: str = ""


class _Stop(msgspec.Struct, forbid_unknown_fields=True):
    reason: str = "stopped from a page"
    at_once: bool = False


class _Notices(msgspec.Struct, forbid_unknown_fields=True):
    level: Literal["log", "info", "alarm"] = "log"
    most: int = 1000


class _Feedback(msgspec.Struct, forbid_unknown_fields=True):
    after: int = 0
    run: str = ""


class _History(msgspec.Struct, forbid_unknown_fields=True):
    names: list[str] | None = None
    since_s: float | None = None
    most: int = 300


@dataclass(slots=True)
class _Running:
    child: Child
    link: Link
    pieces: Pieces = field(default_factory=Pieces)
    unsent: deque[bytes] = field(default_factory=deque)
    began_s: float = field(default_factory=time.monotonic)


class WebService:
    """The address of a run's views, and the process behind it; a context manager.

    Parameters
    ----------
    host
        Where to listen.
    port
        The next free one is taken if somebody has it; 0: any.
    viewer_token, operator_token
        Who has the first may look; who has the second may turn things too. Without either, everybody on this machine
        may do both.

    Raises
    ------
    ServiceError
        If the address is not to be had, or is open to other machines without any token.
    """

    def __init__(
        self, host: str = LOCAL, port: int = PORT, *, viewer_token: str = "", operator_token: str = ""
    ) -> None:
        if not _is_loopback(host) and not (viewer_token or operator_token):
            raise ServiceError(
                f"{host} can be reached from other machines: give a token for viewers, operators or both, "
                "or listen on 127.0.0.1"
            )
        self._tokens = viewer_token, operator_token
        self._host = host
        self._socket = _listening(host, port)
        self._epoll = select.epoll()
        self._processes: Processes | None = None
        self._running: _Running | None = None
        self._order: WebOrder | None = None
        self._fds: tuple[int, ...] = ()
        self._served: Served | None = None
        self._noticed: Served | None = None
        """The run, also when it has ended, for what was noticed of it."""
        self._store = ""
        self._last: bytes | None = None
        self._quick_deaths = 0
        self._runs = ServedRuns()
        self.replays = Replays(
            host, self._epoll, {"PENSTOCK_VIEWER_TOKEN": viewer_token, "PENSTOCK_OPERATOR_TOKEN": operator_token}
        )
        """Recorded runs that are run again beside this one."""
        self._accept: Callable[[StartWish], None] | None = None
        self._wish: StartWish | None = None
        self._owed = 0
        """The question that this wish came with, until the web process has brought its answer; 0 for none."""
        self.desk = ControlDesk()
        """To whom commands go."""
        self.trouble = ""
        """Why nobody serves any more, if so."""

    @property
    def address(self) -> str:
        """Where to look, as a browser wants it."""
        host, port = self._socket.getsockname()[:2]
        if host in ("0.0.0.0", "::"):  # every address of this machine, which nobody can ask for
            host = socket.gethostname()
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"

    @property
    def pid(self) -> int | None:
        """The web process, if there is one now."""
        return None if self._running is None else self._running.child.pid

    @property
    def run_names(self) -> frozenset[str]:
        """What the runs are called that were served here."""
        return self._runs.names

    def fileno(self) -> int:
        """Return a descriptor that is readable when ``poll`` has something to do."""
        return self._epoll.fileno()

    def begin(
        self,
        served: Served | None,
        *,
        pipeline: str,
        run: str = "",
        version: str,
        graph: str,
        flow: FlowPlan = NO_FLOW,
        store: str = "",
        files: Mapping[str, Sequence[int]] = MappingProxyType({}),
        events: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        """Start serving a run.

        Parameters
        ----------
        served
            ``None``: there is none yet, but somebody may want one.
        store
            Where runs are recorded and streams are kept, from anywhere: a folder or an address; empty if nobody knows.
            What is there is shown, and can be replayed.
        files
            By stage, the descriptors of the memory its views lie in. They are copied.
        events
            By stage, that of the memory it keeps events in. Likewise.

        Raises
        ------
        ProcessError
            If no process can be made.
        """
        self._let_be_told()
        self._forget_memory()
        self._served, self._last = served, None
        self._noticed, self._store = served, store
        if served is not None:
            self._runs.begin(run, pipeline, _now())
        self._fds = tuple(os.dup(fd) for fds in (*files.values(), tuple(events.values())) for fd in fds)
        self._order = WebOrder(
            pipeline=pipeline, run=run, version=version, graph=graph, flow=flow, store=store, stages=tuple(files),
            fds_a_stage=len(next(iter(files.values()), ())), keepers=tuple(events), hosts=_names_of(self._host),
            viewer_token=self._tokens[0], operator_token=self._tokens[1],
        )  # fmt: skip
        if self._processes is None:
            self._processes = Processes(preload=())
            self._processes.__enter__()
            self._epoll.register(self._processes.fileno(), select.EPOLLIN)
        self._end_process()
        self._start()

    def poll(self) -> None:
        """Hear what the web process asks, answer, and replace it if it has died."""
        self._hear()
        self._send()
        self.replays.poll()
        if self._processes is not None:
            for death in self._processes.poll():
                self._bury(death)

    def stay(self, pollable: int, accept: Callable[[StartWish], None] | None = None) -> StartWish | None:
        """Go on serving until this can be read, nobody serves any more, or somebody wants another run or the end.

        Parameters
        ----------
        accept
            Called with a wish for another run; raises a ``PenstockError`` that says why it cannot be. Without it there
            are no others.

        Returns
        -------
        StartWish
            What was accepted; ``None`` if it is over.
        """
        poller = select.poll()
        poller.register(pollable, select.POLLIN)
        poller.register(self._epoll.fileno(), select.POLLIN)
        if self.desk.pollable is not None:
            poller.register(self.desk.pollable, select.POLLIN)
        self._accept, self._wish = accept, None
        self.desk.stay(None if accept is None else self._arm)
        try:
            self.poll()
            while not self._is_over() and all(fd != pollable for fd, _ in poller.poll()):
                self.poll()
                self.desk.poll()
        finally:
            self._accept = None
            self.desk.leave()
        return self._wished()

    def _is_over(self) -> bool:
        return bool(self.trouble) or self._wished() is not None or self.desk.is_shut_down

    def _wished(self) -> StartWish | None:
        return self._wish

    def tell_feedback(self) -> None:
        """Wake those who wait for what user code says back to the scan; they ask for it then."""
        if self._running is not None and FEEDBACK not in self._running.unsent:
            self._running.unsent.append(FEEDBACK)
            self._send()

    def finish(self, report: Any) -> None:  # what JSON can hold
        """Say how the run has ended; its views can be looked at until this is closed."""
        self._served = None
        self._last = msgspec.json.encode(report)
        self._runs.finish(report["outcome"], report["duration_s"], self._last)
        self._say(Answer(0, "ended", msgspec.Raw(self._last)))

    def close(self) -> None:
        """Serve no more; nothing is left. May be called again."""
        if self._epoll.closed:
            return
        self.replays.close()
        running, self._running = self._running, None
        if running is not None:
            running.link.close()  # it sends what it still has to say, and ends
        if self._processes is not None:
            if running is not None and self.desk.was_told_to_end:
                self._await_last_words(running)
            self._processes.close()
        self._forget_memory()
        self._socket.close()
        self._epoll.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # The process.

    def _start(self) -> None:
        assert self._processes is not None
        assert self._order is not None
        mine, its = Link.pair()
        try:
            fds = (self._socket.fileno(), its.fileno(), *self._fds)
            child = self._processes.start("web", PROCESS, self._order, fds)
        except BaseException:
            mine.close()
            raise
        finally:
            its.close()
        self._running = _Running(child, mine)
        self._epoll.register(mine.fileno(), select.EPOLLIN)
        if self._last is not None:
            self._say(Answer(0, "ended", msgspec.Raw(self._last)))

    def _end_process(self) -> None:
        running, self._running = self._running, None
        if running is not None and self._processes is not None:
            self._epoll.unregister(running.link.fileno())
            self._processes.kill(running.child)  # before it hears that the run is gone, and says so
            running.link.close()

    def _bury(self, death: Death) -> None:
        running = self._running
        if running is None or death.child.number != running.child.number:
            return
        self._epoll.unregister(running.link.fileno())
        running.link.close()
        self._running = None
        is_quick = time.monotonic() - running.began_s < QUICK_S
        self._quick_deaths = self._quick_deaths + 1 if is_quick else 0
        if self._quick_deaths >= MOST_QUICK_DEATHS:
            self.trouble = f"the views are served no more: {death}"
            return
        try:
            self._start()
        except PenstockError as error:
            self.trouble = f"the views are served no more: {error}"

    def _let_be_told(self) -> None:
        """Wait until whoever wanted this run has heard that it begins: the web process is going to be replaced."""
        until_s, running = time.monotonic() + LAST_WORDS_S, self._running
        poller = select.poll()
        poller.register(self._epoll.fileno(), select.POLLIN)
        while self._owed and self._running is running and (left_s := until_s - time.monotonic()) > 0:
            poller.poll(1000 * left_s)
            self.poll()
        self._owed = 0

    def _await_last_words(self, running: _Running) -> None:
        """Let the web process end by itself, so that whoever has ended the run is told so."""
        assert self._processes is not None
        until_s = time.monotonic() + LAST_WORDS_S
        poller = select.poll()
        poller.register(self._processes.fileno(), select.POLLIN)
        while (left_s := until_s - time.monotonic()) > 0:
            poller.poll(1000 * left_s)
            if any(death.child.number == running.child.number for death in self._processes.poll()):
                return

    # What is said.

    def _hear(self) -> None:
        running = self._running
        while running is not None and (received := running.link.try_receive()) is not None:
            for fd in received.fds:
                os.close(fd)
            try:
                data = running.pieces.take(received.data)
                if data is not None:
                    self._take(open_question(data))
            except RemoteProtocolError:  # never ours: a web process that talks nonsense is replaced
                assert self._processes is not None
                self._processes.kill(running.child)
                return

    def _take(self, question: Question) -> None:
        number, asking = question.number, self._running

        def answer(body: Any) -> None:  # what JSON can hold, or an error
            if self._running is not asking:  # a successor has questions of the same numbers
                return
            if isinstance(body, Exception):
                self._say(Answer(number, _problem(body), msgspec.Raw(msgspec.json.encode(str(body)))))
            else:
                self._say(Answer(number, "", msgspec.Raw(msgspec.json.encode(body))))

        before = self._wish
        try:
            self._obey(question, answer)
        except (PenstockError, msgspec.MsgspecError) as error:
            answer(error)
        if self._wish is not before:
            self._owed = number

    def _obey(self, question: Question, answer: Callable[[Any], None]) -> None:
        match question.what:
            case "runs":
                answer(self._runs.listed())
            case "run":
                answer(self._runs.report(msgspec.json.decode(question.body, type=_OfRun).run))
            case "replays" | "replay" | "end-replay":
                answer(self._of_replays(question))
            case "told":
                if question.number == self._owed:
                    self._owed = 0
            case "start":
                wish = msgspec.json.decode(question.body, type=StartWish)
                self._start_run(wish)
                self._note("arm", arguments={"run": wish.run, "values": wish.values})
                answer({"starting": True})
            case "command":
                command = msgspec.json.decode(question.body, type=Command)
                self.desk.take(command, lambda reply: answer(msgspec.to_builtins(reply)), door="http", caller="http")
            case "commands":
                answer(msgspec.to_builtins(self.desk.records()))
            case "states":
                self.desk.look(answer)
            case "notices" | "history" | "feedback" | "journal" | "parameter-changes" if self._noticed is not None:
                answer(_what_was_noticed(self._noticed, question))
            case _ if self._served is not None:
                self._obey_of_run(self._served, question, answer)
            case _:
                raise StateError("the run has ended" if self._runs else "no run has begun")

    def _obey_of_run(self, served: Served, question: Question, answer: Callable[[Any], None]) -> None:
        match question.what:
            case "status":
                served.ask_status(answer)
            case "parameters":
                answer(served.describe_parameters())
            case "set":
                wish = msgspec.json.decode(question.body, type=_Set)
                served.set_parameters(wish.values, wish.who, answer)
                self._note("set", arguments={"values": wish.values}, who=wish.who)
            case "scale":
                scale = msgspec.json.decode(question.body, type=_Scale)
                served.scale(scale.stage, scale.workers)
                self._note("scale", scale.stage, arguments={"workers": scale.workers})
                answer({"stage": scale.stage, "workers": scale.workers})
            case "maps":
                answer(served.describe_maps())
            case "extend":
                extend = msgspec.json.decode(question.body, type=_Extend)
                served.extend_map(extend.join, bytes(extend.trigger_map), answer, is_last=extend.last)
            case "alarms" | "acknowledge" | "mute":
                answer(_of_alarms(served, question))
            case "stop":
                stop = msgspec.json.decode(question.body, type=_Stop)
                served.end(stop.reason, at_once=stop.at_once)
                self._note("abort" if stop.at_once else "drain", arguments={"reason": stop.reason})
                answer({"stopping": True})
            case _:
                raise ServiceError(f"nobody knows how to {question.what[:40]!r}")

    def _of_replays(self, question: Question) -> Any:  # what JSON can hold
        if question.what == "replay":
            wish = msgspec.json.decode(question.body, type=ReplayWish)
            return self.replays.begin(wish, self._store)
        if question.what == "end-replay":
            end = msgspec.json.decode(question.body, type=_OfRun)
            return self.replays.end(end.run, end.who)
        return self.replays.listed()

    def _note(self, name: str, target: str = "", *, arguments: dict[str, Any], who: str = "") -> None:
        """Say what was done by another path than that of commands; it is one all the same."""
        self.desk.witness(Command(name=name, target=target, arguments=arguments, who=who), door="http")

    def _start_run(self, wish: StartWish) -> None:
        if self._served is not None:
            raise StateError("a run is going on; stop it, and start another one when it has ended")
        if self._accept is None or self._wish is not None:
            raise StateError("no other run can be started here; penstock run --stay allows it, when one has ended")
        self._accept(wish)
        self._wish = wish

    def _arm(self, arguments: Mapping[str, Any]) -> None:
        """Take the wish for another run that came as a command."""
        try:
            wish = msgspec.json.decode(msgspec.json.encode(arguments), type=StartWish)
        except (msgspec.MsgspecError, TypeError) as error:
            raise CommandError(f"arm: {error}", problem=Problem.ARGUMENT) from error
        self._start_run(wish)

    def _say(self, answer: Answer) -> None:
        if self._running is not None:
            self._running.unsent.extend(pieces(answer, LIMIT))
            self._send()

    def _send(self) -> None:
        """Send what there is room for; the rest when it is asked for again, because the run must not wait."""
        running = self._running
        if running is None:
            return
        with suppress(BrokenPipeError):  # its death is told
            while running.unsent and running.link.try_send(running.unsent[0]):
                running.unsent.popleft()
        wanted = select.EPOLLIN | (select.EPOLLOUT if running.unsent else 0)
        self._epoll.modify(running.link.fileno(), wanted)

    def _forget_memory(self) -> None:
        for fd in self._fds:
            os.close(fd)
        self._fds = ()


def _of_alarms(served: Served, question: Question) -> Any:  # what JSON can hold
    if question.what == "acknowledge":
        known = msgspec.json.decode(question.body, type=_Acknowledge)
        return served.acknowledge_alarm(known.alarm, known.who)
    if question.what == "mute":
        mute = msgspec.json.decode(question.body, type=_Mute)
        return served.mute_alarm(mute.alarm, mute.for_s, mute.who)
    return served.describe_alarms()


def _what_was_noticed(served: Served, question: Question) -> Any:  # what JSON can hold
    if question.what == "notices":
        notices = msgspec.json.decode(question.body, type=_Notices)
        return served.notices(notices.level, notices.most)
    if question.what == "journal":
        return served.journal(msgspec.json.decode(question.body, type=JournalWish))
    if question.what == "parameter-changes":
        return served.parameter_changes(msgspec.json.decode(question.body, type=_Most).most)
    if question.what == "feedback":
        feedback = msgspec.json.decode(question.body, type=_Feedback)
        return served.feedback(feedback.after, feedback.run)
    history = msgspec.json.decode(question.body, type=_History)
    return served.history(history.names, history.since_s, history.most)


def _problem(error: Exception) -> str:
    """Return which problem of an answer it is."""
    if isinstance(error, UnknownAlarmError):
        return "unknown"
    if isinstance(error, StateError):
        return "ended"
    return "unknown" if str(error).startswith(UNKNOWN) else "refused"


def _listening(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port or None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
    except OSError as error:
        raise ServiceError(f"{host} is no address of this machine: {error.strerror or error}") from error
    why = ""
    for candidate in range(port, min(port + PORTS, 65_536)) if port else (0,):
        found = socket.socket(family, socket.SOCK_STREAM)
        try:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            found.bind((host, candidate))
            found.listen(BACKLOG)
        except OSError as error:
            found.close()
            why = error.strerror or str(error)
            continue
        return found
    last = f" to {min(port + PORTS, 65_536) - 1}" if port else ""
    raise ServiceError(f"{host}, ports {port}{last}: {why}; name a free port, 0 for any")


def _now() -> str:
    return Timestamp(time.time_ns()).isoformat()


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _names_of(host: str) -> tuple[str, ...]:
    return ("localhost", "127.0.0.1", "[::1]", host) if _is_loopback(host) else (host,)
