"""What an item is over PVAccess: a value for each of its fields, by the ends of their names. It serves nothing."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from penstock.core.message import Message
from penstock.core.result import Result
from penstock.elements.item_field import VALUE, field_of, fields_of
from penstock.elements.pv_name import pv_name
from penstock.elements.pva_values import Said, said_of
from penstock.errors import ResultTypeError
from penstock.views import ArrayView

__all__ = ["PvaFields"]

_OF_MESSAGES: Final = "timestamp_ns"
"""It is the time of the others."""


@dataclass(frozen=True, slots=True)
class PvaFields:
    """Chooses the fields of items.

    >>> for name, said in PvaFields().of({"x": 3, "pseudo": {"y": 0.5}}, lambda name, why: None):
    ...     print(name, said.value, said.kind.code)
    x 3 l
    pseudo:y 0.5 d

    Parameters
    ----------
    wanted
        Which fields, as ``I0`` or ``pseudo.y``; by default all that EPICS has a type for.
    units
        By field.
    """

    wanted: Sequence[str] = ()
    units: Mapping[str, str] | None = None

    def of(self, item: Any, leave: Callable[[str, str], None]) -> Iterator[tuple[str, Said]]:  # an item of any kind
        """Yield the end of each name, and what it says; a plain value is called ``value``.

        Parameters
        ----------
        item
            A mapping, a message, an event, a result, an array, a number, a tree of views, …
        leave
            Called with the name and the reason of each field that EPICS has no type for, if none was wanted by name.

        Raises
        ------
        LookupError
            If a field that is wanted is not there.
        ResultTypeError
            If EPICS has no type for one that is wanted.
        """
        item = item.value if isinstance(item, Result) else item
        if self.wanted:
            for wanted in self.wanted:
                yield pv_name(*wanted.split(".")), self._said(wanted, field_of(item, wanted), item)
            return
        for path, value, owner in _leaves(item, ()):
            name = ".".join(path)
            try:
                said = self._said(name, value, owner)
            except ResultTypeError as error:
                leave(name, str(error))
                continue
            yield pv_name(*path), said

    def _said(self, path: str, value: Any, owner: Any) -> Said:
        beside: dict[str, Any] = {}
        if isinstance(owner, Message):
            beside = {"time_ns": owner.timestamp_ns, "number": owner.key or 0}
        if unit := (self.units or {}).get(path):
            beside["unit"] = unit
        return said_of(value, **beside)


def _leaves(item: Any, above: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    """Yield the path of each leaf, its value, and what it is a field of."""
    fields = {} if isinstance(item, ArrayView) else fields_of(item)
    if not fields:
        if not isinstance(item, Mapping):  # an empty one has nothing to say
            yield above or (VALUE,), item, None
        return
    for name, value in fields.items():
        path = (*above, str(name))
        if isinstance(item, Message) and name == _OF_MESSAGES:
            continue
        if isinstance(value, ArrayView) or not fields_of(value):
            yield path, value, item
        else:
            yield from _leaves(value, path)
