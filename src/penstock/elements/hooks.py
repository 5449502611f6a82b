"""The methods a class of user code may have, found once by name, and the names people write instead.

A hook that is spelt wrong would never be called and nobody would notice; so whatever looks like one is reported.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any

from penstock.elements.signature import CodeKind
from penstock.errors import Problem

__all__ = ["MAIN", "Hooks", "attribute_of", "hooks_of", "method_of", "misspelt"]

MAIN: Mapping[CodeKind, str] = MappingProxyType({"step": "__call__", "map": "process", "reduce": "reduce"})
"""The method that gets the items."""

_HOOKS = ("start", "end", "tick", "close")
_PAIR = ("checkpoint", "restore")
"""How a reducer's state is saved and had again."""
_ALIASES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "process": ("process_event", "process_message", "on_event", "handle_event"),
        "process_batch": ("process_events", "on_batch"),
        "reduce_batch": ("process_batch", "reduce_results", "reduce_range", "on_batch"),
        "reduce": ("process_result", "reduce_result", "on_result", "fold"),
        "start": ("on_start", "start_run", "on_begin"),
        "end": ("on_end", "finish", "on_finish", "end_run", "on_stop"),
        "tick": ("on_tick", "timer", "on_timer"),
        "tick_s": ("get_tick_interval", "tick_interval", "tick_interval_s", "tick_period", "tick_period_s", "tick_ms"),
        "close": ("on_close", "shutdown", "on_shutdown", "teardown"),
        "views": ("publish",),
        "checkpoint": ("save_state", "on_checkpoint", "save_checkpoint"),
        "restore": ("load_state", "on_restore", "load_checkpoint", "restore_checkpoint"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """What is called besides the items; ``None`` where user code has no such hook. What they return is ignored."""

    start: Callable[[Any], Any] | None = None
    """Gets the start event, or the message of kind START."""
    end: Callable[[Any], Any] | None = None
    """Gets the end event, or the message of kind END."""
    tick: Callable[[Any], Any] | None = None
    """Gets the time, a ``Timestamp``, every ``tick_s`` seconds."""
    close: Callable[[], Any] | None = None
    """Called once, at the end of the run, however it ended."""


def hooks_of(thing: Any) -> Hooks:
    """Return the hooks of an object, bound; functions have none."""
    if inspect.isroutine(thing):
        return Hooks()
    return Hooks(**{name: getattr(thing, name) for name in _HOOKS if method_of(type(thing), name)})


def method_of(kind: type, name: str) -> Callable[..., Any] | None:
    """Return a class's method, unbound, or ``None``; other attributes of that name do not count."""
    found = attribute_of(kind, name)
    if isinstance(found, staticmethod | classmethod):
        return found.__func__
    return found if inspect.isroutine(found) else None


def attribute_of(kind: type, name: str) -> Any:  # whatever a class holds
    """Return what a class or its bases hold under a name, or ``None``; unlike ``getattr`` without its metaclass."""
    return next((vars(base)[name] for base in kind.__mro__ if name in vars(base)), None)


def misspelt(kind: CodeKind, target: type, where: str) -> Iterator[Problem]:
    """Yield a problem for each public method that looks like a hook and is none, or lacks its counterpart.

    Only what the class itself and its base classes of the same package define is looked at.
    """
    known = _known(kind)
    present = {name for name in known if attribute_of(target, name) is not None}
    for name in _own_names(target):
        meant = _meant(name, known)
        if meant and meant not in present and name not in known:
            yield Problem(
                where=where,
                text=f"{target.__name__}.{name} is never called",
                remedy=f"did you mean `{meant}`? If it is yours, call it `_{name}`",
            )
    if kind == "reduce":
        yield from _half_a_pair(target, where)


def _half_a_pair(target: type, where: str) -> Iterator[Problem]:
    there = [name for name in _PAIR if method_of(target, name) is not None]
    if len(there) == 1:
        (missing,) = set(_PAIR) - {*there}
        yield Problem(
            where=where,
            text=f"{target.__name__} has a method `{there[0]}` and no `{missing}`",
            remedy=f"write both, def checkpoint(self) and def restore(self, state), or call it `_{there[0]}`",
        )


def _known(kind: CodeKind) -> tuple[str, ...]:
    main = {"step": (), "map": ("process", "process_batch"), "reduce": ("reduce", "reduce_batch", "views", *_PAIR)}
    return (*main.get(kind, ()), *_HOOKS, "tick_s")


def _own_names(target: type) -> list[str]:
    package = target.__module__.partition(".")[0]
    names: dict[str, None] = {}
    for base in target.__mro__:
        if base.__module__.partition(".")[0] == package:
            names |= {name: None for name, value in vars(base).items() if _could_be_hook(name, value)}
    return list(names)


def _could_be_hook(name: str, value: Any) -> bool:
    is_method = inspect.isroutine(value) or isinstance(value, staticmethod | classmethod)
    return not name.startswith("_") and (is_method or name in (*_ALIASES["tick_s"], *_ALIASES["views"]))


def _meant(name: str, known: tuple[str, ...]) -> str:
    for hook in known:
        if name in _ALIASES.get(hook, ()):
            return hook
    plain = {hook.replace("_", ""): hook for hook in known if hook not in ("tick_s", "views")}
    if name.replace("_", "").lower() in plain:
        return plain[name.replace("_", "").lower()]
    similar = [hook for hook in plain.values() if hook[0] == name[0] and hook.count("_") == name.count("_")]
    return next(iter(get_close_matches(name, similar, n=1, cutoff=0.8)), "")
