"""The notebook's door to a running pipeline: its views as arrays that are read when they are sliced, and its knobs.

Nothing of a pipeline is imported here; all that is needed is the address that ``penstock run`` printed.
"""

import os
import time
import uuid
import weakref
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import PurePath
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self
from urllib.parse import quote

import httpx
import msgspec
import numpy as np
from numpy.typing import DTypeLike, NDArray

from penstock.core.alarm import in_one_line
from penstock.core.command import Command, Outcome, Reply
from penstock.core.event import Event
from penstock.core.feedback import Feedback, feedback_in_one_line
from penstock.errors import ParameterError, PenstockError, SelectionError, ServiceError, StateError
from penstock.wire.kept_events import read_event, split_records

if TYPE_CHECKING:
    from penstock.notebook.about import About
    from penstock.notebook.inbox import Part
    from penstock.notebook.shown import Viewing

__all__ = ["Connection", "Knobs", "Ledger", "RemoteView", "Views", "connect"]

TIMEOUT_S = 30.0
LONGEST_SHOWN = 200
"""Characters of a value that are printed beside others."""
LONGEST_POLL_S = 25.0
"""How long one question for feedback waits."""
KEPT_ALIVE_S = 2.0
"""How long a connection is used again: less than the 5 s after which the server closes it, for one that is just being
closed takes no command, and nobody knows whether it did."""
TOKENS = ("PENSTOCK_OPERATOR_TOKEN", "PENSTOCK_VIEWER_TOKEN")


def connect(
    address: str = "http://127.0.0.1:8400", *, token: str | None = None, timeout_s: float = TIMEOUT_S
) -> "Connection":
    """Return a connection to a running pipeline.

    Parameters
    ----------
    address
        As ``penstock run`` prints it; ``http://`` may be left out.
    token
        Wanted by pipelines that other machines can reach; by default that of the environment.
    timeout_s
        How long an answer may take, in s.

    Raises
    ------
    ServiceError
        If nobody answers there, or the token is not good enough.
    """
    if token is None:
        token = next((os.environ[name] for name in TOKENS if os.environ.get(name)), "")
    return Connection(address if "://" in address else f"http://{address}", token, timeout_s)


class Connection(Mapping[str, "RemoteView"]):
    """A running pipeline: a mapping of its views by name, ``stage/path``. As a context manager it is closed at the end.

    >>> run = connect()  # doctest: +SKIP
    >>> run["image/map/Fe"][10:20, :].mean()  # doctest: +SKIP
    """

    def __init__(self, address: str, token: str = "", timeout_s: float = TIMEOUT_S) -> None:
        self.address = address.rstrip("/")
        self._timeout_s = timeout_s
        self._token = token
        self._feed: Any = None  # a Feed, once something is shown live: it needs an extra
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(
            base_url=f"{self.address}/api/v1/", headers=headers, timeout=timeout_s,
            limits=httpx.Limits(keepalive_expiry=KEPT_ALIVE_S),
        )  # fmt: skip
        weakref.finalize(self, self._http.close).atexit = False
        try:
            about = self._json("GET", "run")
            named = str(about["pipeline"]), str(about["run"])
        except (ValueError, KeyError, TypeError):
            self._http.close()
            raise ServiceError(
                f"whoever answers at {self.address} is no pipeline; is this the address it printed?"
            ) from None
        except BaseException:
            self._http.close()
            raise
        self.pipeline: str = named[0]
        """The name of the pipeline."""
        self.run: str = named[1]
        """The name of the run."""

    def __repr__(self) -> str:
        return f"<penstock {self.pipeline}, run {self.run}, at {self.address}: {', '.join(self) or 'no views yet'}>"

    def __getitem__(self, name: str) -> "RemoteView":
        try:
            return RemoteView(self, self._json("GET", f"views/{quote(str(name))}"))
        except _NotFoundError as error:
            raise KeyError(str(error)) from None

    def __iter__(self) -> Iterator[str]:
        return iter([view["name"] for view in self._json("GET", "views")])

    def __len__(self) -> int:
        return len(self._json("GET", "views"))

    @property
    def views(self) -> "Views":
        """All views there are now, by name, or by the end of it where that is clear: ``run.views["map"]``."""
        return Views({view["name"]: RemoteView(self, view) for view in self._json("GET", "views")})

    @property
    def parameters(self) -> "Knobs":
        """All parameters; set one by assigning to it."""
        return Knobs(self)

    @property
    def status(self) -> dict[str, Any]:
        """The report as it is now: outcome, books, rates, latencies, memory, processes."""
        return dict(self._json("GET", "status"))

    @property
    def progress(self) -> dict[str, Any]:
        """How far the run is: events ``formed``, ``completed``, the ``total`` if it is known, ``is_over``, ``lost``."""
        return dict(self._json("GET", "progress"))

    @property
    def load(self) -> list[dict[str, Any]]:
        """How busy each worker is that is a process of its own: its ``share`` of a processor over the last second."""
        return list(self._json("GET", "load"))

    @property
    def ledger(self) -> "Ledger":
        """The books of every edge."""
        return Ledger(self._json("GET", "ledger"))

    def notices(self, level: str = "log", most: int = 100) -> list[dict[str, Any]]:
        """Return the last notices at least so grave, the newest last: time, level, source, text, code, times, values.

        Raises
        ------
        SelectionError
            If there is no such level; there are ``log``, ``info`` and ``alarm``.
        """
        return list(self._json("GET", f"notices?level={quote(level)}&most={int(most)}"))

    def feedback(self, after: int = 0, wait_s: float = 0.0, *, run: str = "") -> list[Feedback]:
        """Return what user code has said back to the scan, the oldest first; also after the end of the run.

        Parameters
        ----------
        after
            With numbers above this one: that of the last one you have.
        wait_s
            How long to wait until there is any, in s. When the run has ended, nothing is waited for.
        run
            Of this run only; by default of the one that goes on or was the last.

        Raises
        ------
        StateError
            If another run goes on than the one that was named.
        ServiceError
            If nobody answers.
        """
        until_s = time.monotonic() + wait_s
        while True:
            left_s = max(0.0, until_s - time.monotonic())
            # The program that serves may be replaced, and the run may end, while it is waited for.
            asked_s = min(left_s, LONGEST_POLL_S, self._timeout_s / 2)
            began_s = time.monotonic()
            found = self._json("GET", f"feedback?after={int(after)}&wait_s={asked_s:.3f}&run={quote(run, safe='')}")
            is_early = time.monotonic() - began_s < asked_s * 0.9
            if found or is_early or until_s <= time.monotonic():
                return msgspec.convert(found, list[Feedback])

    @property
    def keepers(self) -> dict[str, dict[str, Any]]:
        """The stages that keep their last events: ``kept`` so far, ``n`` at most, bytes, and the ``numbers`` there."""
        return {each.pop("stage"): each for each in self._json("GET", "events")}

    def events(
        self, stage: str = "", *, last: int | None = None, number: int | None = None, max_bytes: int | None = None
    ) -> list[Event]:
        """Return the last events that a stage with ``keep-events`` has kept, the oldest first; also after the end.

        They are what user code gets: ``event["camera"].array`` is an array, decoded when it is asked for where it came
        compressed; an absent part is ``None``. Of a stage that reads a source alone, each is an event of one part,
        ``message``. An event that a killed worker had is there twice if it was given again.

        Parameters
        ----------
        stage
            By default the only one that keeps any.
        last
            So many of the newest; by default all there are.
        number
            Only this one.
        max_bytes
            The newest that are no more than this together; by default, and at most, 256 MiB.

        Raises
        ------
        SelectionError
            If it is not clear which stage, or one event has more than ``max_bytes``.
        ServiceError
            If no stage of this name keeps events.
        """
        stage = stage or self._only_keeper()
        asked = {"format": "raw", "last": last, "number": number, "max_bytes": max_bytes}
        given = {name: value for name, value in asked.items() if value is not None}
        answer = self._answer("GET", f"events/{quote(stage, safe='')}", params=given)
        return [read_event(record) for record in split_records(answer.content)]

    def _only_keeper(self) -> str:
        there = list(self.keepers)
        if len(there) == 1:
            return there[0]
        if not there:
            raise SelectionError("no stage keeps events; a stage of the pipeline with map: keep-events would")
        raise SelectionError(f"several stages keep events: {', '.join(there)}; say which one")

    def history(self, *names: str, since_s: float | None = None, most: int = 300) -> dict[str, Any]:
        """Return how numbers were: ``times`` in s since 1970 UTC, ``series`` by name, and all ``names`` there are.

        There is a point every second of the last hour, every minute of the last day, and every ten minutes of the last
        week; where a number was not known, it is ``None``.

        Parameters
        ----------
        *names
            Of which numbers, as ``edge.camera.fit.arrived``; by default of all.
        since_s
            For how long back, in s; by default as far as is known.
        most
            Points at most, evenly chosen.
        """
        asked = [f"name={quote(name)}" for name in names] + [f"most={int(most)}"]
        asked += [] if since_s is None else [f"since_s={float(since_s)!r}"]
        return dict(self._json("GET", f"history?{'&'.join(asked)}"))

    def scale(self, stage: str, workers: int | Literal["auto"]) -> None:
        """Let a stage have so many workers, or as many as there is work for. It does not wait for them.

        Raises
        ------
        ServiceError
            If there is no such map stage.
        SelectionError
            If it cannot have so many.
        StateError
            If the run has ended.
        """
        self._json("PUT", f"stages/{quote(stage, safe='')}/workers", {"workers": workers})

    def stop(self, reason: str = "stopped by a client", *, at_once: bool = False) -> None:
        """End the run: bring out what has arrived, or give it up. It does not wait for that.

        Raises
        ------
        StateError
            If it has ended already.
        """
        self._json("POST", "run/stop", {"reason": reason, "at_once": at_once})

    def command(
        self,
        name: str,
        target: str = "",
        /,
        *,
        id: str = "",  # noqa: A002 - the glossary's word
        who: str = "",
        **arguments: Any,
    ) -> Reply:
        """Command the pipeline, and return the reply; a refusal is no exception, and ``text`` says why.

        Parameters
        ----------
        name
            ``start``, ``stop``, ``status``, …: see `penstock.core.command.COMMANDS`.
        target
            A source, a stage, a worker or an alarm; by default the pipeline.
        id
            The same id again gives the same reply, and does nothing twice. By default one is made, and the command is
            sent once more if the connection breaks.
        who
            Kept in the list of commands.
        **arguments
            Those of the command.

        Raises
        ------
        ServiceError
            If nobody answers, or the token is not good enough.
        """
        if name == "status" and not (arguments or target):  # for which the token of a viewer is enough
            return self._status_reply(id)
        if name == "feedback" and not target:  # likewise
            return self._feedback_reply(id, arguments)
        if name == "alarms" and not (arguments or target):  # likewise
            body = self.alarms
            text = in_one_line(body["alarms"])
            return Reply(id=id, name=name, target="", outcome=Outcome.DONE, text=text, body=body)
        command = Command(name=name, target=target, id=id or uuid.uuid4().hex, who=who, arguments=arguments)
        answer = self._sent("POST", "commands", again=True, json=msgspec.to_builtins(command))
        reply = _reply_in(answer)
        if reply is None:
            raise _ERRORS.get(answer.status_code, ServiceError)(_detail(answer))
        return reply

    @property
    def states(self) -> dict[str, Any]:
        """The states of everything, which commands are allowed now, and how many came."""
        return dict(self._json("GET", "states"))

    @property
    def commands(self) -> list[dict[str, Any]]:
        """Who commanded what and what became of it, the newest last."""
        return list(self._json("GET", "commands"))

    def _status_reply(self, id: str) -> Reply:  # noqa: A002
        body = self.states
        first = body["states"][0]
        text = f"{first['name']} is {first['state']}{f', {why}' if (why := first['why']) else ''}"
        return Reply(id=id, name="status", target="", outcome=Outcome.DONE, text=text, state=body["state"], body=body)

    def _feedback_reply(self, id: str, arguments: Mapping[str, Any]) -> Reply:  # noqa: A002
        after, wait_s = int(arguments.get("after", 0)), float(arguments.get("wait_s", 0.0))
        found = self.feedback(after, wait_s)
        body = msgspec.to_builtins(found)
        return Reply(
            id=id, name="feedback", target="", outcome=Outcome.DONE, text=feedback_in_one_line(found), body=body
        )

    @property
    def maps(self) -> dict[str, dict[str, Any]]:
        """The trigger maps by join: how many events they plan, whether they may grow, their parts."""
        return {found["join"]: found for found in self._json("GET", "maps")}

    def extend(self, join: str, trigger_map: Mapping[str, Any] | None = None, *, last: bool = False) -> dict[str, Any]:
        """Append to the trigger map of a join while the run goes on, and return what it is then, as ``maps`` does.

        Parameters
        ----------
        join
            One by trigger map, with ``open: true`` in the pipeline.
        trigger_map
            As in a map's file; its sequence may also name parts that the map has already.
        last
            Whether nothing more will be appended; a map that stays open keeps the run waiting for more.

        Raises
        ------
        SelectionError
            If the map is wrong or closed; then nothing has changed.
        ServiceError
            If no such join is by trigger map.
        StateError
            If the run, or this join of it, has ended.
        """
        wish = {"trigger_map": dict(trigger_map or {}), "last": last}
        return dict(self._json("POST", f"maps/{quote(join, safe='')}", wish))

    @property
    def alarms(self) -> dict[str, Any]:
        """Every alarm as it is, in ``alarms``; what has happened to them, the newest first, in ``history``."""
        return dict(self._json("GET", "alarms"))

    def acknowledge(self, alarm: str, *, who: str = "") -> dict[str, Any]:
        """Say that somebody knows of an alarm, and return how it is then.

        Raises
        ------
        ServiceError
            If no alarm has this name.
        StateError
            If there is nothing to acknowledge, or the run has ended.
        """
        return dict(self._json("POST", f"alarms/{quote(alarm, safe='')}/acknowledge", {"who": who}))

    def mute(self, alarm: str, for_s: float, *, who: str = "") -> dict[str, Any]:
        """Have nobody told of an alarm for so long, 0 s: have them told again; raises as ``acknowledge``."""
        return dict(self._json("POST", f"alarms/{quote(alarm, safe='')}/mute", {"for_s": for_s, "who": who}))

    @property
    def runs(self) -> list[dict[str, Any]]:
        """The runs that were served here, the newest last: name, outcome, when it began, how long it took."""
        return list(self._json("GET", "runs"))

    def start(
        self,
        trigger_maps: Mapping[str, Mapping[str, Any]] | None = None,
        values: Mapping[str, Any] | None = None,
        *,
        run: str = "",
        existing: str = "refuse",
        wait_s: float = 30.0,
    ) -> str:
        """Start another run of the same pipeline, when one has ended, and return its name.

        Only where the program stays after the end: ``penstock run --stay``.

        Parameters
        ----------
        trigger_maps
            By join, for those whose map comes with the scan.
        values
            Start values of parameters.
        run
            Its name; by default made of the time.
        existing
            What becomes of a name that another run has: ``refuse`` it, or take the ``next`` that is free.
        wait_s
            How long to wait until it has begun, in s.

        Raises
        ------
        StateError
            If a run goes on, or the program ends with its run, or another run has the name.
        SelectionError
            If a map or a value is refused.
        ServiceError
            If it has not begun in time; its program has printed why.
        """
        wish = {"run": run, "trigger_maps": dict(trigger_maps or {}), "values": dict(values or {})}
        wish |= {} if existing == "refuse" else {"existing": existing}
        before = len(self.runs)
        self._json("POST", "runs", wish)
        deadline = time.monotonic() + wait_s
        while time.monotonic() < deadline:
            with suppress(ServiceError, StateError):  # the web process is replaced meanwhile
                if len(self.runs) > before:
                    self.run = str(self._json("GET", "run")["run"])
                    return self.run
            time.sleep(0.05)
        raise ServiceError(f"the run has not begun within {wait_s:g} s; what its program has printed says why")

    def close(self) -> None:
        """Let go of the connection; the run goes on, and figures that followed it stop."""
        if self._feed is not None:
            self._feed.close()
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _viewing(self) -> "Viewing":
        """Return the ways in which a notebook looks at views."""
        from penstock.notebook.about import about_of  # few notebooks show a view
        from penstock.notebook.shown import Viewing

        def look_up(name: str) -> "About":
            try:
                return about_of(self._json("GET", f"views/{quote(name)}"))
            except _NotFoundError as error:
                raise ServiceError(str(error)) from None

        def feed() -> Any:  # a Feed
            from penstock.notebook.feed import Feed

            self._feed = self._feed or Feed(self.address, self._token)
            return self._feed

        return Viewing(look_up=look_up, read=self._part, names=lambda: list(self), feed=feed)

    def _part(self, name: str, text: str, max_bytes: int | None = None) -> "Part":
        from penstock.notebook.inbox import Part

        asked = {"slice": text} if max_bytes is None else {"slice": text, "max_bytes": str(max_bytes)}
        answer = self._answer("GET", f"data/{quote(name)}", params=asked)
        head = answer.headers
        shape = tuple(int(length) for length in head["X-Penstock-Shape"].split(",") if length)
        array = np.frombuffer(answer.content, np.dtype(head["X-Penstock-Dtype"])).reshape(shape)
        return Part(
            view=name, slice=text, array=array,
            version=int(head["X-Penstock-Version"]), position=int(head["X-Penstock-Position"]),
            every=int(head["X-Penstock-Every"]), fewer=head["X-Penstock-Fewer"],
        )  # fmt: skip

    def _json(self, method: str, path: str, body: Any = None) -> Any:  # what JSON can hold
        return self._answer(method, path, json=body).json()

    def _answer(self, method: str, path: str, **options: Any) -> httpx.Response:
        answer = self._sent(method, path, again=method == "GET", **options)
        if answer.is_success:
            return answer
        raise _ERRORS.get(answer.status_code, ServiceError)(_detail(answer))

    def _sent(self, method: str, path: str, *, again: bool, **options: Any) -> httpx.Response:
        """Return what is answered; ``again`` says that it does no harm to ask twice."""
        given = {name: value for name, value in options.items() if value is not None}
        try:
            try:
                return self._http.request(method, path, **given)
            except httpx.TransportError:
                if not again:  # whether it was done is not known
                    raise
                return self._http.request(method, path, **given)  # who served may have been replaced in between
        except httpx.HTTPError as error:
            raise ServiceError(
                f"nobody answers at {self.address} ({str(error) or type(error).__name__}); "
                "is the pipeline running, and is this the address it printed?"
            ) from error


class Views(dict[str, "RemoteView"]):
    """Views by name; the end of a name will do where no other view ends so."""

    def __missing__(self, name: str) -> "RemoteView":
        found = [view for full, view in self.items() if full.endswith(f"/{name}")]
        if len(found) == 1:
            return found[0]
        there = ", ".join(view.name for view in found) or ", ".join(self) or "none yet"
        raise KeyError(f'view "{name}" could be any of {there}' if found else f'no view "{name}"; there are {there}')


class RemoteView:
    """One view: slicing reads that part, of the state it has at that moment.

    As the last line of a notebook's cell it is a figure that follows the data, with ``penstock[notebook]``.
    """

    def __init__(self, connection: Connection, about: Mapping[str, Any]) -> None:
        self._connection = connection
        self.name: str = about["name"]
        self.shape: tuple[int, ...] = tuple(about["shape"])
        """When it was looked up; a view may grow."""
        self.dtype = np.dtype(about["dtype"])
        self.unit: str = about["unit"]
        self.title: str = about["title"]
        self.version: int = about["version"]
        """Of what was read last."""
        self.position: int = about["position"]
        """Which results that holds: all up to this one."""
        self._axes = about["axes"]

    def __repr__(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        return f"<view {self.name} {self.shape} {self.dtype}{unit}>"

    def live(self, *, max_hz: float = 5.0, max_bytes: int = 1 << 20, frame: int = -1) -> Any:  # needs an extra
        """Return a widget for a notebook: a figure, a number or a table that follows the view.

        It is drawn in a thread of its own, and stops when its cell is run again, when it is closed, and while no page
        shows it. See `penstock.notebook.live_figure.LiveFigure`.

        Parameters
        ----------
        max_hz
            How often it is drawn at most; between 0.01 and 50.
        max_bytes
            Of an update: of more, one element is sent for several.
        frame
            Of more than two dimensions, which entry of the first one; there is a slider. By default always the last.

        Raises
        ------
        MissingExtraError
            If ipywidgets or matplotlib is not installed.
        ServiceError
            If nobody answers, or the view is not there any more.
        """
        from penstock.notebook.shown import live_of

        return live_of(self._connection._viewing(), self.name, max_hz=max_hz, max_bytes=max_bytes, frame=frame)

    def figure(self, *, max_bytes: int = 1 << 20, frame: int = -1) -> Any:  # a Figure of matplotlib, an extra
        """Return the view as it is now as a figure of matplotlib, with axes and units.

        Parameters
        ----------
        max_bytes, frame
            As of ``live``.

        Raises
        ------
        MissingExtraError
            If matplotlib is not installed.
        SelectionError
            If it is no picture: a number, a text, a table.
        """
        from penstock.notebook.shown import figure_of

        return figure_of(self._connection._viewing(), self.name, max_bytes=max_bytes, frame=frame)

    def _repr_mimebundle_(self, **_: Any) -> Mapping[str, Any]:  # as IPython asks, whatever it wants of it
        from penstock.notebook.shown import bundle_of

        return bundle_of(self._connection._viewing(), self.name, repr(self))

    @property
    def ndim(self) -> int:
        """How many dimensions."""
        return len(self.shape)

    @property
    def axes(self) -> dict[str, NDArray[Any] | None]:
        """By name, the values of each axis; ``None`` where it is just counted."""
        if any("values" not in axis for axis in self._axes):
            self._axes = self._connection[self.name]._axes
        return {axis["name"]: None if axis["values"] is None else np.asarray(axis["values"]) for axis in self._axes}

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError(f"view {self.name} has no dimensions")
        return self.shape[0]

    def __getitem__(self, key: Any) -> Any:  # an array, or a scalar as NumPy gives
        """Read some elements.

        Raises
        ------
        SelectionError
            If the key is anything but whole numbers, slices and one ``...``; or outside.
        """
        path = f"data/{quote(self.name)}"
        answer = self._connection._answer("GET", path, params={"slice": _written(key)})
        head = answer.headers
        text = head["X-Penstock-Shape"]
        shape = tuple(int(length) for length in text.split(",")) if text else ()
        self.version, self.position = int(head["X-Penstock-Version"]), int(head["X-Penstock-Position"])
        array = np.frombuffer(answer.content, np.dtype(head["X-Penstock-Dtype"])).reshape(shape)
        return array if shape else array[()]

    def __iter__(self) -> Iterator[Any]:
        """Yield the rows of what there is now, read at once."""
        if not self.shape:
            raise TypeError(f"view {self.name} has no dimensions")
        return iter(self[...])

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError(f"view {self.name} is read from elsewhere, which makes a copy")
        return np.asarray(self[...], dtype)

    def __float__(self) -> float:
        return float(self[...])


class Knobs:
    """The parameters of a run, as attributes where their names allow it, and by address.

    >>> run = connect()  # doctest: +SKIP
    >>> run.parameters.roi = 6.2  # doctest: +SKIP
    >>> run.parameters["fit.roi"]  # doctest: +SKIP
    6.2
    """

    _connection: Connection

    def __init__(self, connection: Connection) -> None:
        object.__setattr__(self, "_connection", connection)

    def describe(self) -> list[dict[str, Any]]:
        """Return every parameter: address, type, value, default, unit, section, bounds, choices, doc."""
        return list(self._connection._json("GET", "parameters")["parameters"])

    def set(self, values: Mapping[str, Any], *, who: str = "") -> dict[str, Any]:
        """Set some together, from one event on; the answer says which, and names the revision.

        Raises
        ------
        ParameterError
            If one is unknown or refused; then none is changed.
        StateError
            If the run has ended.
        """
        try:
            plain = {name: _plain(value) for name, value in values.items()}
            return dict(self._connection._json("PUT", "parameters", {"values": plain, "who": who}))
        except (_NotFoundError, SelectionError) as error:
            raise ParameterError(str(error)) from None

    def __getitem__(self, name: str) -> Any:  # as its type is
        return self._find(name)["value"]

    def __setitem__(self, name: str, value: Any) -> None:
        self.set({name: value})

    def __getattr__(self, name: str) -> Any:  # as its type is
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self._find(name)["value"]
        except ParameterError as error:
            raise AttributeError(str(error)) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self.set({name: value})

    def __dir__(self) -> list[str]:
        return [*object.__dir__(self), *(each["address"].rpartition(".")[2] for each in self.describe())]

    def __repr__(self) -> str:
        sections: dict[str, list[str]] = {}
        for each in self.describe():
            sections.setdefault(each["section"], []).append(_line(each))
        # Those without a section first, as they would be taken for the last one's otherwise.
        ordered = sorted(sections.items(), key=lambda item: bool(item[0]))
        return (
            "\n".join("\n".join([f"{name}:", *lines] if name else lines) for name, lines in ordered) or "no parameters"
        )

    def _find(self, name: str) -> dict[str, Any]:
        found = self.describe()
        same = [each for each in found if each["address"] == name or each["address"].endswith(f".{name}")]
        if len(same) == 1:
            return same[0]
        addresses = ", ".join(each["address"] for each in (same or found)) or "none"
        raise ParameterError(f'parameter "{name}" could be any of {addresses}' if same else
                             f'no parameter "{name}"; there are {addresses}')  # fmt: skip


class Ledger:
    """The books of every edge, as they were when they were asked for."""

    def __init__(self, books: Mapping[str, Any]) -> None:
        self.outcome: str = books["outcome"]
        self.adds_up: bool = books["adds_up"]
        self.edges: list[dict[str, Any]] = books["edges"]

    def __repr__(self) -> str:
        lines = [f"{self.outcome}, {'adds up' if self.adds_up else 'does not add up'}"]
        for edge in self.edges:
            ended = ", ".join(f"{count:,} {account}" for account, count in edge["accounts"].items())
            where = f"{edge['producer']} → {edge['consumer']}"
            lines.append(
                f"{where}: {edge['arrived']:,} arrived; {ended or 'none has ended'}; {edge['in_flight']:,} in flight"
            )
        return "\n".join(lines)


class _NotFoundError(ServiceError):
    """Nothing has this name."""


_ERRORS: Mapping[int, type[PenstockError]] = {
    404: _NotFoundError,
    409: StateError,
    413: SelectionError,
    422: SelectionError,
}


def _reply_in(answer: httpx.Response) -> Reply | None:
    """Return the reply of an answer, of a refusal too; ``None`` if it is none."""
    try:
        body = answer.json()
        return msgspec.convert({key: value for key, value in body.items() if key != "detail"}, Reply)
    except (ValueError, AttributeError):  # msgspec's errors are the first
        return None


def _detail(answer: httpx.Response) -> str:
    try:
        detail = answer.json()["detail"]
    except (ValueError, KeyError, TypeError):
        return f"{answer.status_code} {answer.reason_phrase}"
    return detail if isinstance(detail, str) else "; ".join(f"{each['loc'][-1]}: {each['msg']}" for each in detail)


def _written(key: Any) -> str:
    keys = key if isinstance(key, tuple) else (key,)
    return ",".join(_item(each) for each in keys)


def _item(key: Any) -> str:
    if key is Ellipsis:
        return "..."
    if isinstance(key, slice):
        parts = [key.start, key.stop, *([] if key.step is None else [key.step])]
        return ":".join("" if part is None else _item(part) for part in parts)
    if isinstance(key, int | np.integer) and not isinstance(key, bool):
        return str(int(key))
    raise SelectionError(f"{key!r} cannot select a part of a view; use whole numbers, slices and ...")


def _plain(value: Any) -> Any:  # what JSON can hold
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return str(value) if isinstance(value, PurePath) else value


def _line(parameter: Mapping[str, Any]) -> str:
    unit = f" {parameter['unit']}" if parameter["unit"] else ""
    doc = f"  {parameter['doc']}" if parameter["doc"] else ""
    value = repr(parameter["value"])
    value = value if len(value) <= LONGEST_SHOWN else f"{value[: LONGEST_SHOWN - 3]}..."
    return f"{parameter['address']} = {value}{unit}{doc}"
