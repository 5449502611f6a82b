"""The step: one link of a chain. It keeps nothing that another run needs."""

import inspect
from dataclasses import replace
from typing import Any

from penstock.elements.instance import Call, Instance
from penstock.elements.shape import StepShape, is_buffer, shape_of

__all__ = ["Step"]


class Step(Instance):
    """A function ``f(item, …)``, an object that can be called, either of them also async or a generator, or a buffer.

    What ``call`` is depends on ``shape``: it takes an item and returns the next one or ``None``, which counts as
    filtered, or an awaitable of that; or it takes the iterator of what comes before it and returns the iterator of what
    goes on. Of a buffer it is ``put``.
    """

    kind = "step"
    shape: StepShape

    def _main(self) -> Call:
        thing: Any = self._thing
        if is_buffer(thing) and shape_of(thing) is StepShape.BUFFER:
            put: Call = thing.put
            return put
        if not inspect.isclass(thing) and shape_of(thing) is not None:
            return super()._main()
        raise self._failure(
            f"{self.name} made {thing!r}, which is no step; make a function, a generator function of the items before "
            "it, or an object with `__call__`, or with `put` and `get`"
        )

    def _look_at_shape(self) -> None:
        found = StepShape.BUFFER if not self.is_function and self.call == getattr(self._thing, "put", None) else None
        shape = found or shape_of(self.call)
        assert shape is not None, "what can be called has a shape"
        self.shape = shape
        if shape is StepShape.BUFFER:  # its own `end` says that nothing more will be put
            self.hooks = replace(self.hooks, end=None)
