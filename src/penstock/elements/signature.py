"""What a function or class asks for: its item, its frozen arguments, its parameters.

The one place that says whether a target is called with items or makes the thing that is. It calls nothing.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, get_type_hints

from penstock.core.parameter import Parameter
from penstock.elements.parameter_types import as_annotated, parameter_of

__all__ = ["VARIADIC", "CodeKind", "Signature", "name_of", "parameters_of", "split_arguments"]

CodeKind = Literal["step", "map", "reduce", "source", "sink"]
"""Where user code stands; sources and sinks are always made, never called with items."""

Target = Callable[..., Any]

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A target's arguments, sorted by what they are for."""

    target: Target
    given: Mapping[str, inspect.Parameter] = field(default_factory=dict)
    """Every argument, in order; empty if the target, written in C, does not say."""
    hints: Mapping[str, Any] = field(default_factory=dict)
    is_known: bool = True
    """False if the target does not say what it takes."""

    @classmethod
    def of(cls, target: Target) -> "Signature":
        """Read a target's signature; names in annotations that cannot be resolved count as no annotation."""
        try:
            given = dict(inspect.signature(target).parameters)
        except (TypeError, ValueError):
            return cls(target=target, is_known=False)
        return cls(target=target, given=given, hints=_hints(target, given))

    @property
    def positional(self) -> list[str]:
        """Names of the arguments that can be given by position."""
        return [name for name, argument in self.given.items() if argument.kind in _POSITIONAL]

    @property
    def takes_any_name(self) -> bool:
        """Whether there is a ``**keywords``, or nothing is known."""
        kinds = {argument.kind for argument in self.given.values()}
        return not self.is_known or inspect.Parameter.VAR_KEYWORD in kinds

    @property
    def asks_for_context(self) -> bool:
        """Whether the dictionary that survives runs is wanted."""
        return "context" in self.given

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """What may change while running: keyword-only, annotated, with a default."""
        return tuple(name for name, argument in self.given.items() if self._is_parameter(argument))

    def addressed(self, stage: str = "", step: str = "") -> tuple[Parameter, ...]:
        """Return the parameters, with addresses ``stage.step.name``."""
        documentation = _documentation(self.target)
        return tuple(
            parameter_of(name, self.hints[name], self.given[name].default, documentation, stage=stage, step=step)
            for name in self.parameter_names
        )

    def declared(self, name: str) -> Parameter | None:
        """Return what an argument's annotation says of it, or ``None`` if there is none."""
        if name not in self.hints or self.given[name].kind in VARIADIC:
            return None
        return parameter_of(name, self.hints[name], self.given[name].default)

    def meant_by(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return arguments as the target is to get them: a tuple, a path, a member of an enum where it asks for one."""
        return {
            name: as_annotated(self.hints[name], value) if name in self.given and name in self.hints else value
            for name, value in arguments.items()
        }

    def items(self, kind: CodeKind, arguments: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the arguments that each call fills, or none if the target makes the thing that is called.

        A function is called with items if its first positional argument is required and not given. A fold is
        called with (state, value) if its second is; its first may be given and is then the state to begin with.
        """
        if inspect.isclass(self.target) or kind in ("source", "sink"):
            return ()
        if not self.is_known:
            return ("item",)
        wanted = 2 if kind == "reduce" else 1
        names = self.positional[:wanted]
        if len(names) < wanted:
            rest = [a.name for a in self.given.values() if a.kind is inspect.Parameter.VAR_POSITIONAL]
            return (*names, *rest) if rest else ()
        argument = self.given[names[-1]]
        is_open = argument.default is argument.empty and argument.name not in arguments and argument.name != "context"
        return tuple(names) if is_open else ()

    def missing(self, kind: CodeKind, arguments: Mapping[str, Any]) -> list[str]:
        """Return the required arguments nobody fills."""
        filled = {*self.items(kind, arguments), *arguments, "context"}
        return [
            name
            for name, argument in self.given.items()
            if argument.default is argument.empty and argument.kind not in VARIADIC and name not in filled
        ]

    def _is_parameter(self, argument: inspect.Parameter) -> bool:
        return (
            argument.kind is argument.KEYWORD_ONLY
            and argument.default is not argument.empty
            and argument.name in self.hints
            and argument.name != "context"
        )


def name_of(target: Target) -> str:
    """Return a target's name as people know it.

    >>> name_of(print), name_of(partial(print, end=""))
    ('print', 'print')
    """
    if isinstance(target, partial):
        return name_of(target.func)
    return str(getattr(target, "__qualname__", type(target).__qualname__))


def parameters_of(target: Target, *, stage: str = "", step: str = "") -> tuple[Parameter, ...]:
    """Return what may change while running, with addresses ``stage.step.name``."""
    return Signature.of(target).addressed(stage, step)


def split_arguments(target: Target, arguments: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split what was written among the arguments into frozen arguments and start values of parameters."""
    names = Signature.of(target).parameter_names
    frozen = {name: value for name, value in arguments.items() if name not in names}
    return frozen, {name: value for name, value in arguments.items() if name in names}


def _hints(target: Target, given: Mapping[str, inspect.Parameter]) -> Mapping[str, Any]:
    if isinstance(target, partial):
        return _hints(target.func, given)
    described: Any = target
    if inspect.isclass(target):
        described = target.__init__
    elif not inspect.isroutine(target):
        described = type(target).__call__
    try:
        return get_type_hints(described, include_extras=True)
    except (NameError, TypeError, AttributeError):  # a name imported for type checkers only, or no annotations at all
        plain = {name: argument.annotation for name, argument in given.items()}
        return {name: form for name, form in plain.items() if form is not inspect.Parameter.empty and form != str(form)}


def _documentation(target: Target) -> str:
    own = inspect.getdoc(target) or ""
    return own + "\n" + (inspect.getdoc(target.__init__) or "") if inspect.isclass(target) else own
