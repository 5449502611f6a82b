"""Choose, rename and compute the fields of items."""

from collections.abc import Mapping
from typing import Any

from penstock.elements.expression import Expression
from penstock.elements.item_field import field_of, fields_of

__all__ = ["Fields"]


class Fields:
    """Make a dictionary of an item's fields: those that are chosen, under the names they are given, and computed ones.

    Expressions see the item as it came. What they compute takes the place of a field of the same name.

    >>> Fields(choose=["I0", "pseudo.x"], rename={"I0": "flux"}, compute={"half": "I0 / 2"})(
    ...     {"I0": 3, "pseudo": {"x": 7}, "other": 0}
    ... )
    {'flux': 3, 'x': 7, 'half': 1.5}

    Parameters
    ----------
    choose
        Which fields are kept, all if this is left out. One within another, such as ``pseudo.x``, has its last word as
        name.
    rename
        New name by old name. Whatever is not named here keeps its name.
    compute
        Expression by name of a field; what may be written is what ``filter`` takes.

    Raises
    ------
    ValueError
        If nothing is asked for, two fields would have one name, or an expression is none.
    """

    def __init__(
        self,
        choose: list[str] | None = None,
        rename: Mapping[str, str] | None = None,
        compute: Mapping[str, str] | None = None,
    ) -> None:
        if choose is None and not rename and not compute:
            raise ValueError("fields needs something to do; write choose: [I0], rename: {I0: flux}, or compute: …")
        self._renamed = dict(rename or {})
        self._chosen = None if choose is None else self._targets(choose)
        self._moved = [(new, old) for old, new in self._renamed.items() if "." in old]
        self._at_top = {old for old in self._renamed if "." not in old}
        self._computed = [(name, Expression(text)) for name, text in (compute or {}).items()]
        if repeated := _repeated(list(self._renamed.values())):
            raise ValueError(f'two fields would be called "{repeated}"')

    def __call__(self, item: Any) -> dict[str, Any]:
        """Return the fields as a dictionary of their own."""
        if self._chosen is not None:
            found = {new: field_of(item, old) for new, old in self._chosen}
        else:
            there = item if type(item) is dict else fields_of(item)
            found = self._with_new_names(item, there) if self._renamed else dict(there)
        for name, compute in self._computed:
            found[name] = compute(item)
        return found

    def _targets(self, choose: list[str]) -> list[tuple[str, str]]:
        if strange := [old for old in self._renamed if old not in choose]:
            raise ValueError(f'"{strange[0]}" is renamed and not chosen; add it to choose')
        chosen = [(self._renamed.get(path, path.rpartition(".")[2]), path) for path in choose]
        if repeated := _repeated([name for name, _ in chosen]):
            raise ValueError(f'two fields would be called "{repeated}"; rename one of them')
        return chosen

    def _with_new_names(self, item: Any, there: Mapping[str, Any]) -> dict[str, Any]:
        renamed = self._renamed
        found = {renamed.get(name, name): value for name, value in there.items()}
        for new, old in self._moved:
            found[new] = field_of(item, old)
        if len(found) != len(there) + len(self._moved) or not self._at_top <= there.keys():
            self._complain(item, there)
        return found

    def _complain(self, item: Any, there: Mapping[str, Any]) -> None:
        for old, new in self._renamed.items():
            field_of(item, old)  # raises, with the names there are
            if new in there and new not in self._at_top:
                raise ValueError(f'"{old}" cannot be called "{new}": there is such a field already')


def _repeated(names: list[str]) -> str:
    return next((name for name in names if names.count(name) > 1), "")
