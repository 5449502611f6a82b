"""The reducer: the one copy of user code that folds results into views. It never sees a result twice."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from penstock.elements.instance import Call, Instance

__all__ = ["Reducer"]


class Reducer(Instance):
    """An object with ``reduce(value)`` and ``views``, or a function ``fold(state, value) -> state``.

    A fold begins with ``state`` ``None`` unless its first argument was given, and publishes it as the view ``value``.
    """

    kind = "reduce"

    @property
    def views(self) -> Mapping[str, Any]:
        """The tree published: arrays, values and text by name; for sinks and pages to read, never to change.

        Raises
        ------
        UserCodeError
            If it is no mapping.
        """
        if self._items:
            return {} if self._state is None else {"value": self._state}
        views: Mapping[str, Any] = getattr(self._thing, "views", MappingProxyType({}))
        if not isinstance(views, Mapping):
            raise self._failure(f"{self.name}.views is {type(views).__name__}; make it a dictionary of named views")
        return views

    def _bound(self, arguments: Mapping[str, Any]) -> Call:
        # A fold needs its state kept, so here alone a frame of ours stands around the user's function.
        state_name = self._items[0]
        fold = super()._bound({name: value for name, value in arguments.items() if name != state_name})
        if not hasattr(self, "_state"):
            self._state = arguments.get(state_name)

        def call(value: Any) -> None:
            self._state = fold(self._state, value)  # type: ignore[call-arg]  # a fold takes two

        return call
