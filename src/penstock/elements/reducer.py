"""The reducer: the one copy of user code that folds results into views. It never sees a result twice."""

from collections.abc import Callable, Mapping
from types import FunctionType, MappingProxyType
from typing import Any

from penstock.core.event import EventBatch
from penstock.core.result import ResultBatch
from penstock.elements.checkpoint import checkpoint_bytes, checkpoint_from
from penstock.elements.instance import Call, Instance
from penstock.elements.reducer_state import AttributeState, view_paths
from penstock.elements.state_graph import UncapturableError
from penstock.elements.state_root import Root, global_roots, object_roots
from penstock.errors import RemoteProtocolError, ResultTypeError

__all__ = ["Reducer"]


class Reducer(Instance):
    """An object with ``reduce(value)`` and ``views``, or a function ``fold(state, value) -> state``.

    An object may have ``reduce_batch(results)`` too, which folds a whole range at once, as ``reduce`` would one by one.
    A fold begins with ``state`` ``None`` unless its first argument was given, and publishes it as the view ``value``.

    If its process dies, another may go on: what ``capture`` returned, with the views of the same moment, is what
    ``restore`` of a new one needs. An object may have methods ``checkpoint() -> state`` and ``restore(state)`` for
    what is not in its views; otherwise its attributes are captured, if they are plain enough.
    """

    kind = "reduce"

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
        super().__init__(
            target, arguments, parameters=parameters, stage=stage, step=step, context=context, revision=revision
        )
        self.call_batch: Callable[[ResultBatch | EventBatch], object] | None = self._method("reduce_batch")
        """The user's ``reduce_batch``, if there is one."""
        self._attributes: AttributeState | str = ""
        if not self._has_checkpoint:
            try:
                self._attributes = self._attribute_state()
            except UncapturableError as error:
                self._attributes = str(error)

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

    @property
    def is_capturable(self) -> bool:
        """Whether ``capture`` would succeed now; as costly as that, unless the object has a checkpoint."""
        return not self.obstacle

    @property
    def obstacle(self) -> str:
        """What keeps it from being captured now; empty if nothing does."""
        if self._has_checkpoint:
            return ""
        try:
            self._captured()
        except UncapturableError as error:
            return str(error)
        return ""

    def capture(self) -> bytes | None:
        """Return all of its state that the ``ArrayView`` in its views do not hold, or ``None`` if that is not possible.

        Not seen is what it keeps outside Python objects, and in objects of its module other than containers.

        Raises
        ------
        UserCodeError
            If its ``checkpoint`` raises, or returns what cannot travel.
        """
        if self._has_checkpoint:
            return self._checkpoint()
        try:
            return self._captured()
        except UncapturableError:
            return None

    def restore(self, tree: Mapping[str, Any], state: bytes) -> None:
        """Go on from what another one, made of the same code and arguments, had captured; call it before any item.

        Parameters of it keep the values they have here.

        Parameters
        ----------
        tree
            Its views at the moment of the capture.
        state
            What ``capture`` returned.

        Raises
        ------
        UserCodeError
            If it does not fit, or user code raises.
        """
        try:
            if self._has_checkpoint:
                self._restore_checkpoint(tree, state)
            elif isinstance(self._attributes, str):
                raise RemoteProtocolError(self._attributes)
            else:
                self._attributes.restore(tree, state)
        except RemoteProtocolError as error:
            raise self._failure(f"{self.name} cannot be restored: {error}") from error
        if not self._items:
            self._assign(self._values)

    def _bound(self, arguments: Mapping[str, Any]) -> Call:
        # A fold needs its state kept, so here alone a frame of ours stands around the user's function.
        state_name = self._items[0]
        fold = super()._bound({name: value for name, value in arguments.items() if name != state_name})
        if not hasattr(self, "_state"):
            self._state = arguments.get(state_name)

        def call(value: Any) -> None:
            self._state = fold(self._state, value)  # type: ignore[call-arg]  # a fold takes two

        return call

    @property
    def _has_checkpoint(self) -> bool:
        return self._method("checkpoint") is not None and self._method("restore") is not None

    def _attribute_state(self) -> AttributeState:
        if not self._items:
            roots, methods = object_roots(self._thing, self._values)
            return AttributeState(self._thing, roots, methods)
        functions = [self._target] if isinstance(self._target, FunctionType) else []
        return AttributeState(None, [self._fold_root(), *global_roots(functions)], {self.name: self._target})

    def _fold_root(self) -> Root:
        return Root(
            name=self.name,
            read=lambda: {"state": self._state, "arguments": self._frozen},
            assign=self._assign_fold,
            remove=lambda _: None,
        )

    def _assign_fold(self, name: str, value: Any) -> None:
        if name == "state":  # its arguments are always the same dictionary
            self._state = value

    def _captured(self) -> bytes:
        if isinstance(self._attributes, str):
            raise UncapturableError(self._attributes)
        return self._attributes.capture(self.views)

    def _checkpoint(self) -> bytes:
        thing: Any = self._thing
        try:
            state = thing.checkpoint()
        except Exception as error:  # user code may raise anything; it is the cause
            raise self._failure(f"{self.name}.checkpoint raised {type(error).__name__}: {error}") from error
        try:
            return checkpoint_bytes(state)
        except ResultTypeError as error:
            raise self._failure(
                f"{self.name}.checkpoint() returned what cannot be kept: {error}; "
                "return numbers, text, arrays, dataclasses, or lists and dictionaries of them"
            ) from error

    def _restore_checkpoint(self, tree: Mapping[str, Any], state: bytes) -> None:
        content = checkpoint_from(state)
        before = self._fill_views(tree)
        thing: Any = self._thing
        try:
            thing.restore(content)
        except Exception as error:  # user code may raise anything; it is the cause
            raise self._failure(f"{self.name}.restore raised {type(error).__name__}: {error}") from error
        # It may have made views that its constructor had not.
        after = self._fill_views(tree, before)
        if missing := dict(view_paths(tree)).keys() - after:
            raise RemoteProtocolError(f"it has no view {min(missing)}; let its method restore make that")

    def _fill_views(self, tree: Mapping[str, Any], filled: Mapping[str, Any] = MappingProxyType({})) -> dict[str, Any]:
        """Give the views what they held, but those that hold it already; return the views by path."""
        own = dict(view_paths(self.views))
        for path, view in view_paths(tree):
            if path in own and own[path] is not filled.get(path):
                try:
                    own[path].restore(view.array)
                except ValueError as error:
                    raise RemoteProtocolError(f"view {path}: {error}") from error
        return own
