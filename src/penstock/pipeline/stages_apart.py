"""Put steps that are stages of their own there: what stands before and behind them in a list becomes a stage, too.

It rewrites the document, so that everybody behind it knows stages only. The last part keeps the name of the whole.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from inspect import isclass
from typing import Any, Final

from pydantic_core import PydanticCustomError

from penstock.elements.stage_of_its_own import StageOfItsOwn
from penstock.errors import CheckError
from penstock.pipeline.document import Document, Place, Trail
from penstock.pipeline.registry import Registry
from penstock.pipeline.thing import read_thing

__all__ = ["with_stages_apart"]

_OF_EACH: Final = ("on_error", "trips", "retry_s")
_OF_FIRST: Final = ("from", "when_full")
"""Other keys say something of the stage as a whole, which is then left as it is."""


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of a list of steps."""

    first: int
    """Where it begins in the list."""
    entry: Mapping[str, Any]


def with_stages_apart(document: Document, registry: Registry) -> Document:
    """Return a document in which every step that is a stage of its own has become one.

    Parameters
    ----------
    document
        As written.
    registry
        Finds what its steps name; what is not there is somebody else's to tell of.
    """
    stages = document.tree.get("stages")
    if not isinstance(stages, Mapping):
        return document
    parts = {name: found for name, entry in stages.items() if (found := _parts(entry, registry))}
    if not parts:
        return document
    used = {name for section in document.tree.values() if isinstance(section, Mapping) for name in section}
    new: dict[Any, Any] = {}
    places = dict(document.places)
    for name, entry in stages.items():
        if name not in parts:
            new[name] = entry
            continue
        before = entry.get("from")
        for number, part in enumerate(parts[name], 1):
            own = name if number == len(parts[name]) else _free(f"{name}_{number}", used)
            kept = {key: entry[key] for key in (*_OF_EACH, *(_OF_FIRST if number == 1 else ())) if key in entry}
            new[own] = {**kept, **({} if number == 1 else {"from": before}), **part.entry}
            places |= _moved(document.places, ("stages", name), ("stages", own), part.first)
            before = own
    return replace(document, tree={**document.tree, "stages": new}, places=places)


def _parts(entry: Any, registry: Registry) -> list[_Part]:
    """Return the parts of a stage; none if it is one that stays whole."""
    if not isinstance(entry, Mapping) or not entry.keys() <= {"steps", *_OF_EACH, *_OF_FIRST}:
        return []
    steps = entry.get("steps")
    if not isinstance(steps, Sequence) or isinstance(steps, str):
        return []
    entries = [_entry_of(step, registry) for step in steps]
    found: list[_Part] = []
    first = 0
    for index, own in enumerate(entries):
        if own is not None:
            if first < index:
                found.append(_Part(first, {"steps": list(steps[first:index])}))
            found.append(_Part(index, own))
            first = index + 1
    if found and first < len(steps):
        found.append(_Part(first, {"steps": list(steps[first:])}))
    return found


def _entry_of(written: Any, registry: Registry) -> Mapping[str, Any] | None:
    try:
        thing = read_thing(written)
        target = registry.find("steps", thing.name).target if thing.target is None else thing.target
    except (PydanticCustomError, CheckError):
        return None
    if not isclass(target) or not issubclass(target, StageOfItsOwn):
        return None
    return target.entry(thing.arguments)


def _moved(places: Mapping[Trail, Place], old: Trail, new: Trail, first: int) -> dict[Trail, Place]:
    """Return the places of a stage as a part of it has them, which stands where the first of its steps does."""
    found: dict[Trail, Place] = {}
    for trail, place in places.items():
        if trail[:2] != old:
            continue
        if trail[2:3] != ("steps",):
            found.setdefault((*new, *trail[2:]), place)
        elif len(trail) > 3 and trail[3] >= first:
            found[*new, "steps", trail[3] - first, *trail[4:]] = place
            if first and trail[3:] == (first,):
                found[new] = place
    return found


def _free(wanted: str, used: set[Any]) -> str:
    name, number = wanted, 1
    while name in used:
        number += 1
        name = f"{wanted}_{number}"
    used.add(name)
    return name
