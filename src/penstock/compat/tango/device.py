"""The Tango device of a running pipeline. What it shows and does goes through ``penstock.connect``."""

import json
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, TypeVar

import msgspec

from penstock.compat.tango.facts import FORMS, facts_of, facts_of_feedback, state_of
from penstock.compat.tango.parameters import CONTENT, Knob, Way, knobs_of
from penstock.compat.tango.uploads import Uploads
from penstock.compat.tango.watch import Seen, Watch
from penstock.core.command import Problem, Reply
from penstock.elements.tango_device import FormedDevice, refuse
from penstock.elements.tango_form import Form, Kind, in_latin
from penstock.errors import CommandError, ParameterError, PenstockError
from penstock.extra import extra

with extra("tango"):
    import tango
    from tango.server import command

# PyTango has no types here.
# mypy: disable-error-code="misc,untyped-decorator"

__all__ = ["PenstockPipeline", "Settings"]

_LOG: Final = logging.getLogger("penstock.tango")
WHO: Final = "tango"
_OF_BEGIN: Final = 'JSON: {"run": name, "trigger_maps": {join: map}, "values": {address: value}}; or empty'
_OF_SET: Final = "JSON: {address: value}, of parameters of every kind"
_OF_COMMAND: Final = 'JSON: {"name": command, "target": name, "arguments": {}}'
_OF_EXTEND: Final = 'JSON: {"join": name, "trigger_map": map, "last": whether that was all}'
_OWN: Final = ("State", "Status", *(form.name for form in FORMS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a server is begun with."""

    address: str
    every_s: float = 0.5
    uploads: str = ""


class PenstockPipeline(FormedDevice):
    """A pipeline: its state, its books, its parameters as attributes, its commands."""

    settings: ClassVar[Settings]
    """Set before it is served."""
    _watch: Watch
    _knobs: dict[str, Knob]
    _look_again: threading.Event

    def init_device(self) -> None:
        """Begin; with ``Init``, look at once."""
        super().init_device()
        if hasattr(self, "_watch"):
            self._look_again.set()
            return
        self._watch, self._knobs = Watch(self.settings.address), {}
        self._uploads = Uploads(self.settings.uploads)
        self._look_again = threading.Event()

    def initialize_dynamic_attributes(self) -> None:
        """Look once, so that whoever comes first finds all attributes, and then again and again."""
        self._show_seen(self._watch.look())
        threading.Thread(target=self._live, name="pipeline", daemon=True).start()

    def written(self, form: Form, value: Any) -> None:
        """Set a parameter; see the base."""
        name = form.name.lower()
        is_content = name not in self._knobs and name.endswith(CONTENT)
        knob = self._knobs.get(name.removesuffix(CONTENT) if is_content else name)
        if knob is None:
            raise ParameterError(f"{form.name} is no parameter")
        meant = self._uploads.keep(str(value[0]), bytes(value[1]), knob.address) if is_content else knob.meant(value)
        self._set({knob.address: meant})

    @command(dtype_in=str, doc_in=_OF_BEGIN, dtype_out=str, doc_out="what was done")
    def Begin(self, wish: str) -> str:  # noqa: N802 - as Tango's commands are called
        """Begin another run, when none goes on, of a pipeline that stays."""
        return self._told(
            "Begin", lambda: self._done(_Wish(name="arm", arguments=_object(wish, "Begin", dict[str, Any])))
        )

    @command(dtype_out=str, doc_out="what was done")
    def Finish(self) -> str:  # noqa: N802
        """Read nothing more, bring out what has come, and end the run as complete."""
        return self._do("finish")

    @command(dtype_out=str, doc_out="what was done")
    def Drain(self) -> str:  # noqa: N802
        """Read nothing more, bring out what has come, and end the run as aborted."""
        return self._do("drain")

    @command(dtype_out=str, doc_out="what was done")
    def Abort(self) -> str:  # noqa: N802
        """Give up what is under way, and end the run."""
        return self._do("abort")

    @command(dtype_out=str, doc_out="what was done")
    def Start(self) -> str:  # noqa: N802
        """Let sources and stages take in again what was held."""
        return self._do("start")

    @command(dtype_out=str, doc_out="what was done")
    def Stop(self) -> str:  # noqa: N802
        """Hold sources and stages; what is there is kept, and the run goes on with Start."""
        return self._do("stop")

    @command(dtype_out=str, doc_out="what was done")
    def Reset(self) -> str:  # noqa: N802
        """Hold, and give up what waits."""
        return self._do("reset")

    @command(dtype_in=(str,), doc_in="a stage, and how many workers", dtype_out=str, doc_out="what was done")
    def Scale(self, wish: Any) -> str:  # noqa: N802
        """Let a stage have so many workers."""
        words = list(wish)
        is_right = len(words) == 2 and words[1].strip().isdecimal()
        if not is_right:
            text = f'Scale takes a stage and a number, ["fit", "3"], and not {words}'
            refuse(CommandError(text, problem=Problem.ARGUMENT), "Scale")
        return self._do("scale", words[0], {"workers": int(words[1])})

    @command(dtype_in=str, doc_in="a worker, such as fit-0", dtype_out=str, doc_out="what was done")
    def Restart(self, worker: str) -> str:  # noqa: N802
        """Replace a worker; nothing that it has is lost."""
        return self._do("restart", worker)

    @command(dtype_in=str, doc_in="an alarm", dtype_out=str, doc_out="what was done")
    def Acknowledge(self, alarm: str) -> str:  # noqa: N802
        """Say that somebody knows of an alarm."""
        return self._do("acknowledge", alarm)

    @command(dtype_in=str, doc_in=_OF_SET, dtype_out=str, doc_out="JSON: revision, from_event and more")
    def Set(self, values: str) -> str:  # noqa: N802
        """Change parameters together, all from one event on."""
        return self._told("Set", lambda: json.dumps(self._set(_object(values, "Set", dict[str, Any]))))

    @command(dtype_in=str, doc_in=_OF_EXTEND, dtype_out=str, doc_out="JSON: what the map is then")
    def Extend(self, wish: str) -> str:  # noqa: N802
        """Append to an open trigger map while the run goes on."""
        return self._told("Extend", lambda: json.dumps(self._extend(_object(wish, "Extend", _Extension))))

    @command(dtype_in=str, doc_in=_OF_COMMAND, dtype_out=str, doc_out="JSON: the reply, also of a refusal")
    def Command(self, wish: str) -> str:  # noqa: N802
        """Give any command that the pipeline knows."""
        return self._told("Command", lambda: json.dumps(self._command(_object(wish, "Command", _Wish))))

    def _do(self, name: str, target: str = "", arguments: dict[str, Any] | None = None) -> str:
        """Command the pipeline; a refusal is told to the client."""
        return self._told(name, lambda: self._done(_Wish(name=name, target=target, arguments=arguments or {})))

    def _told(self, where: str, act: Callable[[], str]) -> str:
        """Return what an act says; what is refused is told to the client."""
        try:
            return in_latin(act())
        except PenstockError as error:
            refuse(error, where)
        finally:
            self._look_again.set()

    def _done(self, wish: "_Wish") -> str:
        reply = self._reply(wish)
        if not reply.is_done:
            raise CommandError(reply.text, problem=reply.problem)
        return reply.text

    def _command(self, wish: "_Wish") -> Any:  # what JSON can hold
        return msgspec.to_builtins(self._reply(wish))

    def _reply(self, wish: "_Wish") -> Reply:
        if own := wish.arguments.keys() & {"id", "who"}:
            raise CommandError(f"{wish.name} has no argument {min(own)}", problem=Problem.ARGUMENT)
        return self._watch.connection.command(wish.name, wish.target, who=WHO, **wish.arguments)

    def _extend(self, wish: "_Extension") -> dict[str, Any]:
        return self._watch.connection.extend(wish.join, wish.trigger_map, last=wish.last)

    def _set(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Set parameters, and show them at once, so that who writes can read."""
        answer = self._watch.connection.parameters.set(values, who=WHO)
        shown = {knob.address: knob for knob in self._knobs.values()}
        new = {address: value for address, value in answer["values"].items() if address in shown}
        self.show_some({shown[address].form.name: shown[address].shown(value) for address, value in new.items()})
        self._watch.refresh()
        self._look_again.set()
        return answer

    def _live(self) -> None:
        """Look until the process ends."""
        with tango.EnsureOmniThread():
            while True:
                self._look_again.wait(self.settings.every_s)
                self._look_again.clear()
                try:
                    self._show_seen(self._watch.look())
                except Exception:  # noqa: BLE001 - one look that fails must not be the last
                    _LOG.exception("what was seen of %s could not be shown", self.settings.address)

    def _show_seen(self, seen: Seen) -> None:
        if seen.report is None:
            self.shape([*FORMS, *self._parameter_forms()])  # clients that know them need not learn them again
            self.show({})
            self.show_state("UNKNOWN", f"the pipeline does not answer: {seen.why}")
            return
        self._knobs = {knob.form.name.lower(): knob for knob in knobs_of(seen.parameters, _OWN)}
        self.shape([*FORMS, *self._parameter_forms()])
        values = {each["address"]: each["value"] for each in seen.parameters}
        shown = {knob.form.name: knob.shown(values[knob.address]) for knob in self._knobs.values()}
        self.show({**facts_of(seen.report, seen.states), **facts_of_feedback(seen.heard), **shown}, seen.asked_s)
        self.show_state(*state_of(seen.report, seen.states))

    def _parameter_forms(self) -> list[Form]:
        knobs = list(self._knobs.values())
        return [knob.form for knob in knobs] + [
            Form(
                name=f"{knob.form.name}{CONTENT}",
                kind=Kind.BYTES,
                label=f"{knob.address} as bytes",
                doc="write a name and the bytes of a file: it is kept, and the parameter is its path",
                can_be_written=True,
            )
            for knob in knobs
            if knob.way is Way.PATH and f"{knob.form.name}{CONTENT}".lower() not in self._knobs
        ]


class _Wish(msgspec.Struct, forbid_unknown_fields=True):
    """What ``Command`` takes."""

    name: str
    target: str = ""
    arguments: dict[str, Any] = {}


class _Extension(msgspec.Struct, forbid_unknown_fields=True):
    """What ``Extend`` takes."""

    join: str
    trigger_map: dict[str, Any] = {}
    last: bool = False


T = TypeVar("T")


def _object(text: str, command_name: str, form: type[T]) -> T:
    """Read an object of JSON; nothing is an empty one.

    Raises
    ------
    CommandError
        If it is none, or another one than is wanted.
    """
    try:
        return msgspec.json.decode(text if text.strip() else "{}", type=form)
    except msgspec.MsgspecError as error:
        raise CommandError(
            f"{command_name} takes an object of JSON, and not {text[:200]!r}: {error}", problem=Problem.ARGUMENT
        ) from error
