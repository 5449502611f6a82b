"""The notebook's door to a running pipeline: its views as arrays that are read when they are sliced, and its knobs.

Nothing of a pipeline is imported here; all that is needed is the address that ``penstock run`` printed.
"""

import os
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import quote

from penstock.client.commands import Commands
from penstock.client.door import Door
from penstock.client.kept_events import KeptEvents
from penstock.client.knobs import Knobs
from penstock.client.ledger import Ledger
from penstock.client.runs import Runs
from penstock.client.views import RemoteView, Views, ViewShelf
from penstock.core.command import Reply
from penstock.core.event import Event
from penstock.core.feedback import Feedback
from penstock.errors import ServiceError

__all__ = ["TOKENS", "Connection", "connect"]

TIMEOUT_S = 30.0
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
        self._door = door = Door(address, token, timeout_s)
        self.address = door.address
        self._shelf, self._runs = ViewShelf(door), Runs(door)
        self._commands, self._kept = Commands(door), KeptEvents(door)
        try:
            about = door.json("GET", "run")
            named = str(about["pipeline"]), str(about["run"])
        except (ValueError, KeyError, TypeError):
            door.close()
            raise ServiceError(
                f"whoever answers at {self.address} is no pipeline; is this the address it printed?"
            ) from None
        except BaseException:
            door.close()
            raise
        self.pipeline: str = named[0]
        """The name of the pipeline."""
        self.run: str = named[1]
        """The name of the run."""

    def __repr__(self) -> str:
        return f"<penstock {self.pipeline}, run {self.run}, at {self.address}: {', '.join(self) or 'no views yet'}>"

    def __getitem__(self, name: str) -> "RemoteView":
        return self._shelf.find(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._shelf.names())

    def __len__(self) -> int:
        return len(self._shelf.names())

    @property
    def views(self) -> "Views":
        """All views there are now, by name, or by the end of it where that is clear: ``run.views["map"]``."""
        return self._shelf.all()

    @property
    def parameters(self) -> "Knobs":
        """All parameters; set one by assigning to it."""
        return Knobs(self._door)

    @property
    def status(self) -> dict[str, Any]:
        """The report as it is now: outcome, books, rates, latencies, memory, processes."""
        return dict(self._door.json("GET", "status"))

    @property
    def progress(self) -> dict[str, Any]:
        """How far the run is: events ``formed``, ``completed``, the ``total`` if it is known, ``is_over``, ``lost``."""
        return dict(self._door.json("GET", "progress"))

    @property
    def load(self) -> list[dict[str, Any]]:
        """How busy each worker is that is a process of its own: its ``share`` of a processor over the last second."""
        return list(self._door.json("GET", "load"))

    @property
    def ledger(self) -> "Ledger":
        """The books of every edge."""
        return Ledger(self._door.json("GET", "ledger"))

    def notices(self, level: str = "log", most: int = 100) -> list[dict[str, Any]]:
        """Return the last notices at least so grave, the newest last: time, level, source, text, code, times, values.

        Raises
        ------
        SelectionError
            If there is no such level; there are ``log``, ``info`` and ``alarm``.
        """
        return list(self._door.json("GET", f"notices?level={quote(level)}&most={int(most)}"))

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
        return self._commands.feedback(after, wait_s, run)

    @property
    def keepers(self) -> dict[str, dict[str, Any]]:
        """The stages that keep their last events: ``kept`` so far, ``n`` at most, bytes, and the ``numbers`` there."""
        return self._kept.keepers()

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
        return self._kept.read(stage, last=last, number=number, max_bytes=max_bytes)

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
        return dict(self._door.json("GET", f"history?{'&'.join(asked)}"))

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
        self._door.json("PUT", f"stages/{quote(stage, safe='')}/workers", {"workers": workers})

    def stop(self, reason: str = "stopped by a client", *, at_once: bool = False) -> None:
        """End the run: bring out what has arrived, or give it up. It does not wait for that.

        Raises
        ------
        StateError
            If it has ended already.
        """
        self._door.json("POST", "run/stop", {"reason": reason, "at_once": at_once})

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
        return self._commands.give(name, target, id, who, arguments)

    @property
    def states(self) -> dict[str, Any]:
        """The states of everything, which commands are allowed now, and how many came."""
        return self._commands.states()

    @property
    def commands(self) -> list[dict[str, Any]]:
        """Who commanded what and what became of it, the newest last."""
        return list(self._door.json("GET", "commands"))

    @property
    def maps(self) -> dict[str, dict[str, Any]]:
        """The trigger maps by join: how many events they plan, whether they may grow, their parts."""
        return {found["join"]: found for found in self._door.json("GET", "maps")}

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
        return dict(self._door.json("POST", f"maps/{quote(join, safe='')}", wish))

    @property
    def alarms(self) -> dict[str, Any]:
        """Every alarm as it is, in ``alarms``; what has happened to them, the newest first, in ``history``."""
        return dict(self._door.json("GET", "alarms"))

    def acknowledge(self, alarm: str, *, who: str = "") -> dict[str, Any]:
        """Say that somebody knows of an alarm, and return how it is then.

        Raises
        ------
        ServiceError
            If no alarm has this name.
        StateError
            If there is nothing to acknowledge, or the run has ended.
        """
        return dict(self._door.json("POST", f"alarms/{quote(alarm, safe='')}/acknowledge", {"who": who}))

    def mute(self, alarm: str, for_s: float, *, who: str = "") -> dict[str, Any]:
        """Have nobody told of an alarm for so long, 0 s: have them told again; raises as ``acknowledge``."""
        return dict(self._door.json("POST", f"alarms/{quote(alarm, safe='')}/mute", {"for_s": for_s, "who": who}))

    @property
    def runs(self) -> list[dict[str, Any]]:
        """The runs that were served here, the newest last: name, outcome, when it began, how long it took."""
        return self._runs.all()

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
        self.run = self._runs.start(trigger_maps or {}, values or {}, run=run, existing=existing, wait_s=wait_s)
        return self.run

    def close(self) -> None:
        """Let go of the connection; the run goes on, and figures that followed it stop."""
        self._shelf.close()
        self._door.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
