"""User code made ready for one run: the callable, its hooks, the parameter values it sees.

What the engine calls for each item is the user's own function or method, or a ``partial`` of it, never a wrapper:
a frame of ours around a million calls a second would cost more than the rest of the engine.
"""

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, ClassVar, Literal

from penstock.core.event import Event, EventBatch
from penstock.core.message import Message
from penstock.core.parameter import Parameter
from penstock.core.result import Result
from penstock.elements.hooks import MAIN, Hooks, hooks_of, method_of, misspelt
from penstock.elements.parameter_types import as_annotated, unmarked
from penstock.elements.signature import CodeKind, Signature, name_of
from penstock.errors import NotBuiltYetError, UserCodeError

__all__ = ["Instance", "Wants", "wants_of"]

Call = Callable[[Any], Any]
"""Takes one item and returns whatever the user returns."""

Wants = Literal["event", "message", "result", "batch", ""]
"""What the item is annotated as; empty for anything else, which then gets the plain value."""

_NOUNS: Mapping[type, Wants] = MappingProxyType(
    {Event: "event", Message: "message", Result: "result", EventBatch: "batch"}
)


class Instance:
    """One copy of user code, for one run.

    Parameters
    ----------
    target
        A function, a class, or a function that makes the thing to call.
    arguments
        Frozen; may hold start values of parameters, which ``parameters`` overrides.
    parameters
        Values by name or by address.
    stage, step
        For addresses and for the texts of errors.
    context
        The dictionary that survives runs; given to whoever has an argument of that name.

    Raises
    ------
    UserCodeError
        If the constructor raises, or what it makes cannot be called, or a hook is misspelt.
    NotBuiltYetError
        If it is a coroutine or a generator.
    """

    kind: ClassVar[CodeKind]

    call: Call
    """Takes one item; take it anew after ``apply``."""
    hooks: Hooks
    parameters: tuple[Parameter, ...]
    revision: int
    """Of the parameters in force."""
    wants: Wants
    tick_s: float | None
    """Seconds between two calls of ``hooks.tick``; ``None`` without that hook."""

    def __init__(
        self,
        target: Callable[..., Any],
        arguments: Mapping[str, Any] | None = None,
        *,
        parameters: Mapping[str, Any] | None = None,
        stage: str = "",
        step: str = "",
        context: dict[str, Any] | None = None,
        revision: int = 0,
    ) -> None:
        self.stage = stage
        self.name = step or name_of(target)
        self.revision = revision
        self._target = target
        signature = Signature.of(target)
        self.parameters = signature.addressed(stage, step)
        self._split(signature, arguments or {}, parameters or {}, {} if context is None else context)
        self._items = signature.items(self.kind, arguments or {})
        self._thing = target if self._items else self._made()
        self.hooks = Hooks() if self._items else hooks_of(self._thing)
        self._use(self._values)
        self.wants = wants_of(self.call if not self._items else target, self._items)
        self._look_at_shape()

    def apply(self, values: Mapping[str, Any], revision: int | None = None) -> Call:
        """Use other parameter values from the next item on.

        Parameters
        ----------
        values
            By address, such as a ``ParameterSet``; whatever concerns others is passed over.
        revision
            By default that of the set.

        Returns
        -------
        The callable to use from now on.
        """
        number = getattr(values, "revision", 0) if revision is None else revision
        own = {p.name: values[p.address] for p in self.parameters if p.address in values}
        changed = {name: value for name, value in own.items() if value is not self._values[name]}
        self.revision = number
        if changed:
            self._values |= changed
            self._use(self._values if self._items else changed)
        return self.call

    @property
    def is_function(self) -> bool:
        """Whether it is a function that is called for each item, not an object that may keep something."""
        return bool(self._items)

    @property
    def thing(self) -> Any:  # whatever user code is
        """What user code made: the object whose methods are called, of a buffer too; or the function itself."""
        return self._thing

    def value_of(self, parameter: Parameter) -> Any:  # of the type the user declared
        """Return the value in force of one of its parameters."""
        return self._values[parameter.name]

    @property
    def attributes(self) -> Mapping[str, Any]:  # whatever user code keeps
        """What the user's object holds, by name; nothing for a function."""
        return MappingProxyType(getattr(self._thing, "__dict__", {})) if not self._items else MappingProxyType({})

    def _split(
        self, signature: Signature, arguments: Mapping[str, Any], values: Mapping[str, Any], context: dict[str, Any]
    ) -> None:
        names = {parameter.name for parameter in self.parameters}
        self._values = {parameter.name: parameter.default for parameter in self.parameters}
        for given in (arguments, values):
            self._values |= {
                p.name: as_annotated(p.annotation, given[key])
                for p in self.parameters
                for key in (p.name, p.address)
                if key in given
            }
        self._frozen = signature.meant_by({name: value for name, value in arguments.items() if name not in names})
        if signature.asks_for_context:
            self._frozen.setdefault("context", context)

    def _made(self) -> Any:  # whatever the user's class or factory makes
        try:
            thing = self._target(**self._frozen, **self._values)
        except (Exception, SystemExit) as error:  # user code may raise anything; it is the cause
            raise self._failure(f"{self.name} could not be made: {type(error).__name__}: {error}") from error
        if inspect.iscoroutine(thing):
            thing.close()
            raise NotBuiltYetError(f"{self._place}: {self.name} is a coroutine; async user code is not built yet")
        return thing

    def _use(self, values: Mapping[str, Any]) -> None:
        if self._items:
            bound = {**self._frozen, **values}
            self.call = self._bound(bound)
            self.tick_s = None
            return
        self._assign(values)
        self.call = self._main()
        self.tick_s = self._tick_s()

    def _bound(self, arguments: Mapping[str, Any]) -> Call:
        return partial(self._target, **arguments) if arguments else self._target

    def _assign(self, values: Mapping[str, Any]) -> None:
        if values and inspect.isroutine(self._thing):
            raise self._failure(
                f"{self.name} makes a function, which cannot see parameters change ({', '.join(values)}); "
                "make an object of a class, or give the function itself"
            )
        for name, value in values.items():
            try:
                setattr(self._thing, name, value)
            except Exception as error:  # a property of the user's may raise anything
                raise self._failure(
                    f"{self.name}.{name} cannot be set to {value!r}: {type(error).__name__}: {error}"
                ) from error

    def _main(self) -> Call:
        if inspect.isroutine(self._thing):
            return self._thing
        for problem in misspelt(self.kind, type(self._thing), self._place):
            raise self._failure(f"{problem.text}; {problem.remedy}")
        names = (MAIN[self.kind],) if self.kind == "reduce" else (MAIN[self.kind], "__call__")
        for name in names:
            if method_of(type(self._thing), name) is not None:
                # The object itself would be one frame more than its bound method.
                call: Call = getattr(self._thing, name)
                return call
        raise self._failure(f"{self.name} made {self._thing!r}, which has no method `{MAIN[self.kind]}`")

    def _method(self, name: str) -> Call | None:
        has = not self._items and method_of(type(self._thing), name) is not None
        return getattr(self._thing, name) if has else None

    def _tick_s(self) -> float | None:
        seconds = getattr(self._thing, "tick_s", None)
        if self.hooks.tick is None:
            return None
        if isinstance(seconds, int | float) and seconds is not True and seconds > 0:
            return float(seconds)
        raise self._failure(
            f"{self.name} has a hook `tick` and tick_s = {seconds!r}; write seconds, such as tick_s = 1.0"
        )

    def _look_at_shape(self) -> None:
        """Refuse what cannot be called item by item."""
        if shape := planned_shape(self.call):
            raise NotBuiltYetError(f"{self._place}: {self.name} is {shape}, which is not built yet")

    @property
    def _place(self) -> str:
        return self.stage or self.name

    def _failure(self, text: str) -> UserCodeError:
        return UserCodeError(
            f"stage {self.stage}: {text}" if self.stage else text, stage=self.stage, revision=self.revision
        )


def wants_of(call: Callable[..., Any], items: tuple[str, ...] = ()) -> Wants:
    """Return what a function's item, its last per-call argument, is annotated as."""
    signature = Signature.of(call)
    names = items or tuple(signature.positional[:1])
    if not names:
        return ""
    form = unmarked(signature.hints.get(names[-1]))
    return _NOUNS.get(form, "") if isinstance(form, type) else ""


def planned_shape(call: Callable[..., Any]) -> str:
    """Say what kind of function it is, if that kind is planned for later."""
    call = call.func if isinstance(call, partial) else call
    if inspect.iscoroutinefunction(call) or inspect.isasyncgenfunction(call):
        return "an async function"
    return "a generator" if inspect.isgeneratorfunction(call) else ""
