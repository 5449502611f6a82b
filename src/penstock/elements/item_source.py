"""A source of plain values: user code made ready to be read, whatever its shape. It reads nothing itself."""

import inspect
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

from penstock.core.decoder import Traits
from penstock.elements.own_folder import give_folder
from penstock.elements.shape import StepShape, is_async_call, is_buffer, shape_of
from penstock.elements.signature import Signature, name_of
from penstock.errors import UserCodeError

__all__ = ["PLAIN_TRAITS", "POLL_S", "ItemSource", "gives_values", "is_item_source", "source_problem"]

PLAIN_TRAITS = Traits(has_start=False, has_end=False)
"""Plain values have no number, no time and nothing around them."""
POLL_S = 0.01
"""How long after a function that is called again and again had nothing it is asked again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemSource:
    """Plain values as they come: exactly one of ``items``, ``async_items`` and ``buffer``.

    None of them if a function has made a ``Source``, which is the ``thing`` then.
    """

    thing: Any
    """What user code made, which may have `close`."""
    items: Iterator[Any] | None = None
    async_items: AsyncIterator[Any] | None = None
    buffer: Any = None
    in_chunks: bool = False
    """Whether each of the iterator's values is a list of items."""

    @classmethod
    def made(
        cls, target: Callable[..., Any], arguments: Mapping[str, Any], name: str, folder: str = "."
    ) -> "ItemSource":
        """Make a source for one run.

        Parameters
        ----------
        target
            A generator function, a function that is called again and again, a class of what can be iterated, called or
            read by ``get``, or a function that makes any of these.
        arguments
            As the pipeline gives them.
        name
            Of the source, for texts.
        folder
            Where relative paths start; given to what has an attribute ``folder``.

        Raises
        ------
        UserCodeError
            If it cannot be made, or nothing can be read from what is made.
        """
        meant = Signature.of(target).meant_by(arguments)
        is_chunked = bool(getattr(target, "in_chunks", False))
        if not inspect.isclass(target) and is_async_call(target):
            return cls(thing=target, async_items=_awaited(partial(target, **meant)), in_chunks=is_chunked)
        try:
            thing = target(**meant)
        except StopIteration:
            thing = ()
        except (Exception, SystemExit) as error:  # user code may raise anything; it is the cause
            text = f"source {name}: {name_of(target)} could not be made: {type(error).__name__}: {error}"
            raise UserCodeError(text, stage=name) from error
        give_folder(thing, folder)
        if _is_source(thing):
            return cls(thing=thing)
        is_chunked |= bool(getattr(thing, "in_chunks", False))
        if inspect.isroutine(target) and not _gives_items(thing):
            # What it returned is the first item already, which must not be lost.
            first = [] if thing is None else [thing]
            return cls(thing=target, items=chain(first, _called(partial(target, **meant))), in_chunks=is_chunked)
        return cls._read_from(thing, name, is_chunked)

    @classmethod
    def _read_from(cls, thing: Any, name: str, in_chunks: bool) -> "ItemSource":
        if hasattr(type(thing), "__aiter__"):
            return cls(thing=thing, async_items=aiter(thing), in_chunks=in_chunks)
        if isinstance(thing, Iterable):
            return cls(thing=thing, items=iter(thing), in_chunks=in_chunks)
        if is_buffer(thing):
            return cls(thing=thing, buffer=thing, in_chunks=in_chunks)
        shape = shape_of(thing)
        if shape in (StepShape.GENERATOR, StepShape.ASYNC_GENERATOR):
            return cls._read_from(thing(), name, in_chunks)
        if shape is StepShape.COROUTINE:
            return cls(thing=thing, async_items=_awaited(thing), in_chunks=in_chunks)
        if shape is StepShape.FUNCTION:
            return cls(thing=thing, items=_called(thing), in_chunks=in_chunks)
        text = f"source {name}: nothing can be read from {thing!r}; give a generator, an iterable, or a function"
        raise UserCodeError(text, stage=name)


def is_item_source(target: Any) -> bool:
    """Whether it is user code that gives plain values, not a ``Source``."""
    from penstock.elements.source import Source

    return callable(target) and not (inspect.isclass(target) and issubclass(target, Source))


def _is_source(thing: Any) -> bool:
    from penstock.elements.source import Source

    return isinstance(thing, Source)


def gives_values(target: Any) -> bool:
    """Whether it gives plain values for sure; what a function makes is not known before it is called."""
    if not is_item_source(target) or source_problem(target):
        return False
    return inspect.isclass(target) or shape_of(target) not in (None, StepShape.FUNCTION)


def source_problem(target: Any) -> str:
    """Return why a class cannot be a source; empty if it can."""
    if not inspect.isclass(target):
        return ""
    names = ("__iter__", "__aiter__", "__call__", "get")
    if any(name in vars(base) for base in target.__mro__ for name in names):
        return ""
    return f"it has none of {', '.join(names)}"


def _gives_items(thing: Any) -> bool:
    """Whether what a function returned is what to read from, rather than an item."""
    is_iterator = any(hasattr(type(thing), name) for name in ("__next__", "__aiter__"))
    return is_iterator or is_buffer(thing) or _is_code(thing)


def _is_code(thing: Any) -> bool:
    return inspect.isroutine(thing) or isinstance(thing, partial) or bool(getattr(thing, "in_chunks", False))


def _called(call: Callable[[], Any]) -> Iterator[Any]:
    from penstock.elements import clock

    while True:
        try:
            item = call()
        except StopIteration:
            return
        if item is None:
            clock.sleep(POLL_S)
        else:
            yield item


async def _awaited(call: Callable[[], Any]) -> AsyncIterator[Any]:
    import asyncio

    while True:
        try:
            item = await call()
        except StopAsyncIteration:
            return
        if item is None:
            await asyncio.sleep(POLL_S)
        else:
            yield item
