"""Values of items or views as attributes of a Tango device."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Final

import numpy as np

from penstock.elements.item_field import VALUE, field_of, fields_of
from penstock.elements.losses import Losses
from penstock.elements.sink import RunFacts, Sink
from penstock.elements.tango_child import TangoChild
from penstock.elements.tango_form import attribute_names, form_of
from penstock.elements.tango_link import as_device
from penstock.errors import SinkError
from penstock.extra import extra
from penstock.views import ArrayView, attributes_of

with extra("run"):
    from annotated_types import Ge, Gt, Le

__all__ = ["TangoSink"]

_OWN: Final = ("State", "Status", "pipeline", "run", "items")
_DEEPEST: Final = 5
Leaf = tuple[str, str, str, Any]
"""Path, unit, title, value."""


class TangoSink(Sink):
    """Be a Tango device whose attributes are the values of the newest item, or of views.

    In a pipeline::

        sinks:
          beam: {use: tango, from: fit, device: analysis/fit/1, values: [intensity, centre.x]}
          maps: {use: tango, from: image, device: analysis/image/1, port: 45451}

    Each value is an attribute of its type: a number, a truth value, a text, or an array of these with one or two
    dimensions; a change of type or dimension is followed. Attributes send change events; those of views have their
    units. The device is there as long as the run goes on. It is served by a program of its own, which is begun anew if
    it dies; nothing waits for Tango's clients.

    Parameters
    ----------
    device
        Its name, ``domain/family/member``.
    values
        Which: paths of fields or of views, or a mapping of names of attributes to these; by default all that Tango can
        show. A field that an item has not got is counted as lost, and its attribute is invalid.
    port
        Where it is served without a database, 0: any that is free, and it is printed. By default it is one of the
        database of ``TANGO_HOST``, which learns of it.
    host
        Where to listen without a database.
    max_hz
        How often attributes change at most: clients see the newest, and not each item.
    connect_s
        How long it may take until the device is served.

    Raises
    ------
    ValueError
        If there can be no such device, or a number is out of bounds.
    """

    may_wait: ClassVar[bool] = False

    def __init__(
        self,
        device: str,
        values: str | Sequence[str] | Mapping[str, str] = (),
        port: Annotated[int, Ge(0), Le(65535)] | None = None,
        host: str = "127.0.0.1",
        max_hz: Annotated[float, Gt(0), Le(100)] = 10.0,
        connect_s: Annotated[float, Gt(0)] = 30.0,
    ) -> None:
        if "://" in as_device(device) or "#" in device:
            raise ValueError(f'device is "{device}"; write domain/family/member alone: it is served here')
        if port is not None and not 0 <= port <= 65535:
            raise ValueError(f"port is {port}; it must be a number from 0 to 65535")
        if not 0 < max_hz <= 100 or connect_s <= 0:
            raise ValueError(f"max_hz is {max_hz}, connect_s {connect_s}; above 0 is right, and max_hz at most 100")
        self._device, self._port, self._host = device, port, host
        self._max_hz, self._connect_s = max_hz, connect_s
        self._chosen = _chosen(values)
        self._names: dict[str, str] = {path: name for name, path in self._chosen.items()}
        self._items = 0
        self._child: TangoChild | None = None
        self.losses = Losses(f"tango {device}")
        """Values that Tango cannot show, or that were not there."""

    def open(self, run: RunFacts) -> None:
        """Begin to serve, and print where.

        Raises
        ------
        SinkError
            If the device cannot be served.
        MissingExtraError
            If PyTango is not installed.
        """
        with extra("tango"):
            import importlib.util

            if importlib.util.find_spec("tango") is None:  # which takes a second, and not in this process
                raise ModuleNotFoundError("No module named 'tango'", name="tango")
        begin = {
            "device": self._device,
            "server": f"penstock/{self._device.replace('/', '-')}",
            "port": self._port,
            "host": self._host,
            "facts": {"pipeline": run.pipeline, "run": run.run, "sink": run.sink},
        }
        self._child = TangoChild(begin, self._max_hz, self._connect_s)
        address = self._child.open()
        print(f"{run.sink or 'tango'}: {address}", file=sys.stderr, flush=True)  # noqa: T201

    def write(self, item: Any) -> None:  # an item of any kind, or a tree of views
        """Show the values of an item.

        Raises
        ------
        SinkError
            If the device is served no more.
        """
        if self._child is None:
            return
        self._items += 1
        leaves = list(_leaves(item)) if not self._chosen else self._find(item)
        self._name([path for path, *_ in leaves])
        values = [(self._names[path], unit, title, value) for path, unit, title, value in leaves]
        self._child.give({"items": self._items, "values": values})

    def close(self, ended_well: bool, outcome: str = "") -> None:  # noqa: ARG002 - the device goes with the run
        """Show the last item, and end the device."""
        child, self._child = self._child, None
        if child is not None:
            child.close()
            if child.problem:
                raise SinkError(child.problem)

    def _find(self, item: Any) -> list[Leaf]:
        found = []
        for path in self._chosen.values():
            try:
                leaves = list(_leaves(_at(item, path), path))
            except LookupError as error:
                self.losses.add(str(error))
                continue
            if not leaves:
                self.losses.add(f'"{path}" is nothing that Tango can show')
            found += leaves
        return found

    def _name(self, paths: list[str]) -> None:
        """Give each path the name of an attribute, which it keeps."""
        new = [path for path in paths if path not in self._names]
        names = attribute_names(new, [*_OWN, *self._names.values()])
        self._names.update(zip(new, names, strict=True))


def _chosen(values: str | Sequence[str] | Mapping[str, str]) -> dict[str, str]:
    """Return paths by the names of their attributes."""
    if isinstance(values, Mapping):
        right = attribute_names(values, _OWN)
        for name, wanted in zip(values, right, strict=True):
            if name != wanted:
                raise ValueError(f'"{name}" cannot be the name of an attribute; {wanted} could')
        return dict(values)
    paths = [values] if isinstance(values, str) else list(values)
    return dict(zip(attribute_names(paths, _OWN), paths, strict=True))


def _at(item: Any, path: str) -> Any:
    """Return a field, or a view, whose path has slashes.

    Raises
    ------
    LookupError
        If there is none.
    """
    for name in path.split("/") if "/" in path else ():
        if not isinstance(item, Mapping) or name not in item:
            there = ", ".join(map(str, item)) if isinstance(item, Mapping) else "none"
            raise LookupError(f'no view "{path}"; at "{name}" there are {there}')
        item = item[name]
    return item if "/" in path else field_of(item, path)


def _leaves(item: Any, above: str = "", depth: int = 0) -> Iterator[Leaf]:
    """Yield what Tango can show of an item, with paths, copied."""
    if isinstance(item, ArrayView):
        about = attributes_of(item)
        if form_of("it", item.array) is not None:
            yield above or VALUE, str(about.get("unit", "")), str(about.get("title", "")), np.array(item.array)
        return
    inner = fields_of(item) if depth < _DEEPEST else {}
    if inner:
        for name, value in inner.items():
            yield from _leaves(value, f"{above}.{name}" if above else str(name), depth + 1)
    elif form_of("it", item) is not None:
        yield above or VALUE, "", "", _still(item)


def _still(value: Any) -> Any:
    """Return a value that nobody changes any more."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, bool | int | float | str):
        return value
    array = np.array(value)
    return array.tolist() if array.dtype.kind == "U" else array
