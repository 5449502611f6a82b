"""What is wrong with user code as a pipeline names it, found before anything is called."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from functools import partial
from types import MappingProxyType
from typing import Any, Literal

from penstock.elements.hooks import MAIN, attribute_of, method_of, misspelt
from penstock.elements.instance import Wants, planned_shape, wants_of
from penstock.elements.parameter_types import check_argument, validate
from penstock.elements.shape import StepShape, is_buffer, shape_of
from penstock.elements.signature import VARIADIC, CodeKind, Signature, name_of
from penstock.errors import ParameterError, Problem

__all__ = ["RESERVED", "Receives", "problems_of"]

Receives = Literal["message", "event", "result", "any"]
"""What comes in: from a source, from a join, from a map stage; or something only known when it comes."""

RESERVED = frozenset({"from", "when", "where", "record", "when_full", "on_error"})
"""Keys of the pipeline file that no element's argument may be called."""

_SAYS: Mapping[str, str] = MappingProxyType(
    {
        "message": "messages come here, from a source",
        "event": "events come here, from a join",
        "result": "results come here, from a map stage",
    }
)
_COUNTS: Mapping[str, int] = MappingProxyType(
    {"start": 1, "end": 1, "tick": 1, "close": 0, "process_batch": 1, "reduce_batch": 1}
)
_BATCH_OF: Mapping[str, CodeKind] = MappingProxyType({"process_batch": "map", "reduce_batch": "reduce"})
"""Where a hook for whole ranges is called; others are called everywhere."""


def problems_of(
    kind: CodeKind,
    target: Any,
    arguments: Mapping[str, Any] | None = None,
    parameters: Mapping[str, Any] | None = None,
    where: str = "",
    receives: Receives = "any",
) -> list[Problem]:
    """Return every mistake in naming user code.

    Parameters
    ----------
    kind
        Where it stands.
    target
        What the name in the pipeline stands for.
    arguments, parameters
        As written; start values of parameters may stand among the arguments.
    where
        Dotted path of the element in the pipeline.
    receives
        What comes in at this place.
    """
    if not callable(target):
        return [Problem(where=where, text=f"{target!r} cannot be called", remedy="name a function or a class")]
    if inspect.isclass(target) and inspect.isabstract(target):
        names = ", ".join(sorted(getattr(target, "__abstractmethods__", ())))
        return [Problem(where=where, text=f"{name_of(target)} is abstract", remedy=f"write the methods {names}")]
    signature = Signature.of(target)
    found = [*_argument_problems(signature, kind, arguments or {}, where)]
    found += _type_problems(signature, kind, arguments or {}, where)
    if kind in MAIN:  # sources and sinks have no parameters
        found += _parameter_problems(signature, {**(arguments or {}), **(parameters or {})}, parameters or {}, where)
        found += _code_problems(signature, kind, arguments or {}, where, receives)
    return found


def _argument_problems(
    signature: Signature, kind: CodeKind, arguments: Mapping[str, Any], where: str
) -> Iterator[Problem]:
    name = name_of(signature.target)
    for argument in RESERVED & {*signature.given, *arguments}:
        yield Problem(
            where=where, text=f'{name} has an argument "{argument}", a word of the pipeline itself', remedy="rename it"
        )
    items = signature.items(kind, arguments)
    named = [each.name for each in signature.given.values() if each.kind not in VARIADIC]
    open_names = [each for each in named if each not in (*items[-1:], "context")]
    for argument in arguments:
        given = signature.given[argument] if argument in named else None
        if given is None and not signature.takes_any_name:
            yield Problem(
                where=_inside(where, argument),
                text=f'{name} has no argument "{argument}"',
                remedy=_near(argument, open_names),
            )
        elif given is not None and given.kind is given.POSITIONAL_ONLY:
            yield Problem(
                where=_inside(where, argument),
                text=f'the argument "{argument}" of {name} cannot be given by name',
                remedy="remove the / from its definition",
            )
    for missing in signature.missing(kind, arguments):
        yield Problem(where=where, text=f'{name} needs the argument "{missing}"', remedy=f"write {{{missing}: …}}")


def _type_problems(signature: Signature, kind: CodeKind, arguments: Mapping[str, Any], where: str) -> Iterator[Problem]:
    """Yield each argument that is given something else than its annotation says; parameters are looked at elsewhere."""
    parameters = signature.parameter_names if kind in MAIN else ()
    for name, value in arguments.items():
        declared = signature.declared(name) if name in signature.given and name not in parameters else None
        if declared is None or value is declared.default:  # many write `name: str = None`
            continue
        try:
            check_argument(declared, value)
        except ParameterError as error:
            yield Problem(where=_inside(where, name), text=str(error).removeprefix(f"{declared.address}: "))


def _parameter_problems(
    signature: Signature, values: Mapping[str, Any], asked: Mapping[str, Any], where: str
) -> Iterator[Problem]:
    names = signature.parameter_names
    for name in asked:
        if name not in names:
            text = f'{name_of(signature.target)} has no parameter "{name}"'
            frozen = name in signature.given
            remedy = "it is frozen at start; write it among the arguments" if frozen else _near(name, names)
            yield Problem(where=_inside(where, name), text=text, remedy=remedy)
    for parameter in signature.addressed():
        is_given = parameter.name in values
        try:
            validate(parameter, values[parameter.name] if is_given else parameter.default)
        except ParameterError as error:
            text = str(error).removeprefix(f"{parameter.address}: ")
            text = text if is_given else f"the default {text}"
            yield Problem(where=_inside(where, parameter.name), text=text)


def _code_problems(
    signature: Signature, kind: CodeKind, arguments: Mapping[str, Any], where: str, receives: Receives
) -> Iterator[Problem]:
    target = signature.target
    if inspect.isclass(target):
        yield from _class_problems(kind, target, where, receives)
        return
    items = signature.items(kind, arguments)
    if kind == "step" and not items:
        yield from _maker_problems(target, where)
        return
    if kind != "step" and (inspect.iscoroutinefunction(target) or inspect.isasyncgenfunction(target)):
        yield _planned(f"{name_of(target)} is an async function", where)
        return
    if items:
        yield from _call_problems(kind, target, items, where, receives)
    elif kind == "reduce" and len(signature.positional) == 1 and not arguments:
        yield Problem(
            where=where, text=f"{name_of(target)} takes one argument", remedy="a fold takes two: (state, value)"
        )
    elif not isinstance(target, partial) and not inspect.isroutine(target):
        yield Problem(where=where, text=f"{target!r} takes no item", remedy="give it a first argument for the item")


def _maker_problems(target: Callable[..., Any], where: str) -> Iterator[Problem]:
    """Yield why what makes a step cannot."""
    if not isinstance(target, partial) and not inspect.isroutine(target):
        yield Problem(where=where, text=f"{target!r} takes no item", remedy="give it a first argument for the item")
    elif (shape := shape_of(target)) is not StepShape.FUNCTION and shape is not None:
        text = f"{name_of(target)} is {shape.value} without an argument for what comes in, which suits a source only"
        yield Problem(where=where, text=text, remedy="give it a first argument for the items before it")


def _class_problems(kind: CodeKind, target: type, where: str, receives: Receives) -> Iterator[Problem]:
    # What a buffer has beside `put` and `get` is its own affair; many come from the standard library.
    wrong = [] if kind == "step" and is_buffer(target) else list(misspelt(kind, target, where))
    yield from wrong
    main = method_of(target, MAIN[kind])
    if main is None and kind == "map":
        main = method_of(target, "__call__")
    if main is None:
        if kind == "step" and is_buffer(target):
            pass
        elif not any(f"`{MAIN[kind]}`" in problem.remedy for problem in wrong):
            text = f"{target.__name__} has no method `{MAIN[kind]}`"
            yield Problem(where=where, text=text, remedy=f"write def {MAIN[kind]}(self, {_item_word(kind)})")
    else:
        yield from _call_problems(kind, main, _after_self(target, main)[:1], where, receives)
    for hook, count in _COUNTS.items():
        method = method_of(target, hook)
        # A buffer's own `end` says that nothing more will be put.
        is_own = hook == "end" and kind == "step" and is_buffer(target)
        if method is not None and not is_own and _BATCH_OF.get(hook, kind) == kind:
            yield from _hook_problems(target, hook, method, count, where)
    if method_of(target, "tick") is not None and not _may_have_tick_s(target):
        text = f"{target.__name__} has a hook `tick` and no `tick_s`"
        yield Problem(
            where=where, text=text, remedy="write the seconds between ticks in the class, such as tick_s = 1.0"
        )


def _call_problems(
    kind: CodeKind, call: Callable[..., Any], items: tuple[str, ...], where: str, receives: Receives
) -> Iterator[Problem]:
    if kind != "step" and (shape := planned_shape(call)):
        yield _planned(f"{name_of(call)} is {shape}", where)
    if not items:
        yield Problem(
            where=where,
            text=f"{name_of(call)} takes no {_item_word(kind)}",
            remedy=f"write one argument for the {_item_word(kind)}",
        )
        return
    wants = wants_of(call, items)
    if wants and receives != "any" and not _fits(wants, receives):
        remedy = (
            f"annotate it {receives.capitalize()}" if receives != "result" else "annotate it Result, or as the value"
        )
        yield Problem(
            where=where,
            text=f'the argument "{items[-1]}" of {name_of(call)} is annotated {_word(wants)}, but {_SAYS[receives]}',
            remedy=remedy,
        )


def _hook_problems(target: type, hook: str, method: Callable[..., Any], count: int, where: str) -> Iterator[Problem]:
    name = f"{target.__name__}.{hook}"
    if shape := planned_shape(method):
        yield _planned(f"{name} is {shape}", where)
    bound = inspect.signature(method)
    is_bound = isinstance(attribute_of(target, hook), staticmethod)
    try:
        bound.bind(*[None] * (count if is_bound else count + 1))
    except TypeError as error:
        argument = {"tick": "now", "process_batch": "events", "reduce_batch": "results"}.get(hook, "event")
        wanted = f"def {hook}(self{f', {argument}' if count else ''})"
        yield Problem(where=where, text=f"{name}{bound} cannot be called as a hook: {error}", remedy=f"write {wanted}")


def _after_self(target: type, method: Callable[..., Any]) -> tuple[str, ...]:
    signature = Signature.of(method)
    is_static = isinstance(attribute_of(target, method.__name__), staticmethod)
    names = signature.positional if is_static else signature.positional[1:]
    if names:
        return tuple(names)
    return tuple(a.name for a in signature.given.values() if a.kind is a.VAR_POSITIONAL)


def _may_have_tick_s(target: type) -> bool:
    if attribute_of(target, "tick_s") is not None or "tick_s" in Signature.of(target).given:
        return True
    init = getattr(target.__init__, "__code__", None)  # type: ignore[misc]  # looked at, never called
    return init is not None and "tick_s" in init.co_names


def _fits(wants: Wants, receives: Receives) -> bool:
    return wants == receives


def _word(wants: Wants) -> str:
    return "EventBatch" if wants == "batch" else wants.capitalize()


def _item_word(kind: CodeKind) -> str:
    return {"map": "event", "reduce": "value"}.get(kind, "item")


def _planned(text: str, where: str) -> Problem:
    return Problem(where=where, text=f"{text}, which is not built yet", level="planned")


def _inside(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _near(name: str, names: Any) -> str:  # any collection of names
    near = get_close_matches(name, list(names), n=1)
    if near:
        return f'did you mean "{near[0]}"?'
    return f"it has {', '.join(names)}" if names else "it has none"
