"""What shape user code of a chain has: called with each item, given the items before it, or a buffer between.

It looks at functions and objects and calls none of them.
"""

import inspect
from collections.abc import Callable
from enum import Enum
from functools import partial
from typing import Any

__all__ = ["StepShape", "is_async_call", "is_buffer", "shape_of"]


class StepShape(Enum):
    """How a step is used."""

    FUNCTION = "a function"
    """Called with an item, returns the next or ``None``."""
    COROUTINE = "a coroutine function"
    """Likewise, and awaited."""
    GENERATOR = "a generator"
    """Called once with the iterator of what comes before it; yields what goes on."""
    ASYNC_GENERATOR = "an async generator"
    """Likewise, with an async iterator."""
    BUFFER = "a buffer"
    """Takes items by ``put`` and gives them by ``get``, whenever it likes."""

    @property
    def takes_upstream(self) -> bool:
        """Whether it is given what comes before it, and not item by item."""
        return self in (StepShape.GENERATOR, StepShape.ASYNC_GENERATOR)

    @property
    def is_async(self) -> bool:
        """Whether it needs an event loop."""
        return self in (StepShape.COROUTINE, StepShape.ASYNC_GENERATOR)


def shape_of(thing: Any) -> StepShape | None:
    """Return the shape of a step that is made, ``None`` if it has none.

    >>> def doubled(upstream):
    ...     for item in upstream:
    ...         yield item
    ...         yield item
    >>> shape_of(doubled).value, shape_of(abs).value
    ('a generator', 'a function')

    Parameters
    ----------
    thing
        A function, a ``partial``, a method or an object. Of an object that can be called and is a buffer too, being
        called counts.
    """
    call = _code_of(thing)
    if call is None:
        return StepShape.BUFFER if is_buffer(thing) else None
    if inspect.isasyncgenfunction(call):
        return StepShape.ASYNC_GENERATOR
    if inspect.isgeneratorfunction(call):
        return StepShape.GENERATOR
    return StepShape.COROUTINE if inspect.iscoroutinefunction(call) else StepShape.FUNCTION


def is_buffer(thing: Any) -> bool:
    """Whether an object, or an instance of a class, has ``put`` and ``get``."""
    kind = thing if inspect.isclass(thing) else type(thing)
    return all(callable(getattr(kind, name, None)) for name in ("put", "get"))


def is_async_call(call: Callable[..., Any]) -> bool:
    """Whether what a call returns is to be awaited."""
    code = _code_of(call)
    return code is not None and inspect.iscoroutinefunction(code)


def _code_of(thing: Any) -> Callable[..., Any] | None:
    """Return the function that runs when a thing, or an instance of a class, is called; ``None`` if it cannot be."""
    while isinstance(thing, partial):
        thing = thing.func
    if inspect.isroutine(thing):
        return thing
    kind = thing if inspect.isclass(thing) else type(thing)
    call = next((vars(base)["__call__"] for base in kind.__mro__ if "__call__" in vars(base)), None)
    if isinstance(call, staticmethod | classmethod):
        call = call.__func__
    return call if inspect.isroutine(call) else None
