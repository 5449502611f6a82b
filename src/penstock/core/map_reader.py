"""Read a trigger map from what a scan writes: JSON in the form that dranspose's users know, or a rule.

Only shapes are judged here; whether streams and workers exist is the map's own check.
"""

from collections.abc import Collection, Mapping, Sequence
from itertools import count
from typing import Any

import msgspec
import numpy as np

from penstock.core.map_addition import MapAddition
from penstock.core.map_part import CellColumn, MapPart
from penstock.core.plain_cells import plain_column
from penstock.core.routes import ALL, GENERIC, NOWHERE
from penstock.core.trigger_map import TriggerMap
from penstock.errors import MapError, Problem

__all__ = ["MapDocument", "read_addition", "read_map", "read_parts", "rule_map"]

MapDocument = bytes | str | Mapping[str, Any]
"""JSON, or what it decodes to."""
CELL = 'null, [] or a list such as [{"constraint": 0, "tags": ["generic"]}]'


class _Entry(msgspec.Struct, forbid_unknown_fields=True):
    constraint: int | None = None
    tags: tuple[str, ...] = ("generic",)


class _Regular(msgspec.Struct, forbid_unknown_fields=True):
    """A column that follows a rule, so that a long scan needs no long list."""

    events: int
    every: int = 1
    group: int = 1


def read_map(document: MapDocument, *, wrap: bool = True, is_open: bool = False) -> TriggerMap:
    """Read a whole map.

    Parameters
    ----------
    document
        JSON text, or what it decodes to: ``{"parts": {name: {stream: [cell, …]}}, "sequence": [name, …]}``, or only
        ``{stream: [cell, …]}``. A cell is null (the stream has no message), ``[]`` (its message is discarded), or a
        list of destinations ``{"constraint": k, "tags": […]}``; a constraint of null means every worker with the tags.
        Instead of a list of cells, ``{"events": n, "every": m, "group": g}`` says that the stream has a message for
        every m-th of n events, and that g consecutive events go to one worker.

    Raises
    ------
    MapError
        With every mistake, and where it is.
    """
    parts, names = _read(_decode(document), "main")
    return TriggerMap(parts, names, wrap=wrap, is_open=is_open)


def read_addition(document: MapDocument, *, taken: Collection[str] = (), is_last: bool = False) -> MapAddition:
    """Read what is to be appended to an open map.

    Parameters
    ----------
    document
        As for ``read_map``; its sequence may also name parts that the map has already. Nothing at all: ``{}``.
    taken
        Names of the parts that the map has, so that one without a name gets another.
    is_last
        Whether nothing more will be appended.

    Raises
    ------
    MapError
        With every mistake, and where it is.
    """
    tree = _decode(document)
    free = next(name for k in count(len(taken)) if (name := f"part-{k}") not in taken)
    if "sequence" in tree and "parts" not in tree:
        tree = {"parts": {}, **tree}
    parts, names = _read(tree, free) if tree else ({}, [])
    return MapAddition(parts=parts, sequence=names, is_last=is_last)


def rule_map(rule: str | Mapping[str, Any], streams: Sequence[str], *, wrap: bool = True) -> TriggerMap:
    """Make the map of a rule for a scan without a known end.

    Parameters
    ----------
    rule
        ``every-event``: every stream has a message for every event, any worker may take it. Or a mapping with
        ``every`` (for some streams, only every m-th event has a message) and ``group`` (so many consecutive events go
        to one worker).
    """
    if rule == "every-event":
        return TriggerMap.every_event(streams, wrap=wrap)
    if not isinstance(rule, Mapping) or not set(rule) <= {"every", "group"}:
        remedy = "write every-event, or {every: {stream: 4}, group: 10}"
        raise MapError([Problem(where="rule", text=f"{rule!r} is no rule", remedy=remedy)])
    every = dict.fromkeys(streams, 1) | dict(rule.get("every", {}))
    group = rule.get("group", 1)
    whole = [*every.values(), group]
    if any(not isinstance(number, int) or isinstance(number, bool) or number < 1 for number in whole):
        raise MapError([Problem(where="rule", text="every and group must be whole numbers from 1", remedy="")])
    period = int(np.lcm.reduce([*every.values(), group]))
    return TriggerMap({"rule": MapPart.uniform(every, period, group=group)}, wrap=wrap, is_endless=True)


def read_parts(parts: Mapping[str, Any]) -> dict[str, MapPart]:
    """Read parts, by name.

    Raises
    ------
    MapError
        With every mistake, and where it is.
    """
    problems: list[Problem] = []
    found = {name: _part(f"parts.{name}", streams, problems) for name, streams in parts.items()}
    if problems:
        raise MapError(problems)
    return found


def _read(tree: Mapping[str, Any], name: str) -> tuple[dict[str, MapPart], Sequence[str]]:
    """Return parts and their sequence; a part that comes without a name is called ``name``."""
    if "parts" not in tree:
        return read_parts({name: tree}), [name]
    unknown = [key for key in tree if key not in ("parts", "sequence")]
    if unknown:
        raise MapError([Problem(where=unknown[0], text="is no key of a map", remedy="keys are parts and sequence")])
    parts, sequence = tree["parts"], tree.get("sequence")
    if not isinstance(parts, Mapping):
        raise MapError([Problem(where="parts", text="must be a mapping", remedy='write {"name": {stream: [cell]}}')])
    names = list(parts) if sequence is None else sequence
    if not isinstance(names, Sequence) or isinstance(names, str) or not all(isinstance(each, str) for each in names):
        raise MapError([Problem(where="sequence", text="must be a list of names of parts")])
    return read_parts(parts), names


def _decode(document: MapDocument) -> Mapping[str, Any]:
    if isinstance(document, bytes | str):
        try:
            document = _decode_columns(document) or msgspec.json.decode(document)
        except msgspec.DecodeError as error:
            raise MapError([Problem(where="", text=f"the map is no JSON: {error}", remedy="")]) from error
    if not isinstance(document, Mapping):
        remedy = 'write {"stream": [cell, …]} or {"parts": …, "sequence": …}'
        raise MapError(
            [Problem(where="", text=f"a map must be an object, not {type(document).__name__}", remedy=remedy)]
        )
    return document


class _Whole(msgspec.Struct, forbid_unknown_fields=True):
    """A map of the expected shape, its columns still as text."""

    parts: dict[str, dict[str, msgspec.Raw]]
    sequence: Any = None


def _decode_columns(document: bytes | str) -> Mapping[str, Any] | None:
    """Decode with plain columns as ``CellColumn``; ``None`` for another shape, whose mistake is named later."""
    try:
        whole = msgspec.json.decode(document, type=_Whole)
    except msgspec.ValidationError:
        return None
    parts = {name: {s: _cells(raw) for s, raw in streams.items()} for name, streams in whole.parts.items()}
    return {"parts": parts, "sequence": whole.sequence}


def _cells(raw: msgspec.Raw) -> Any:
    return plain_column(bytes(raw)) or msgspec.json.decode(raw)


def _part(where: str, streams: Any, problems: list[Problem]) -> MapPart:
    if not isinstance(streams, Mapping):
        problems.append(Problem(where=where, text="must map streams to cells", remedy="write {stream: [cell, …]}"))
        return MapPart({})
    tags: dict[frozenset[str], int] = {GENERIC: 0}
    columns = {name: _column(f"{where}.{name}", cells, tags, problems) for name, cells in streams.items()}
    lengths = {name: len(column.present) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        text = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        problems.append(Problem(where=where, text=f"streams must have equally many cells: {text}",
                                remedy="write null where a stream has no message"))  # fmt: skip
        return MapPart({})
    return MapPart(columns, tuple(tags))


def _column(where: str, cells: Any, tags: dict[frozenset[str], int], problems: list[Problem]) -> CellColumn:
    if isinstance(cells, CellColumn):
        return cells
    if isinstance(cells, Mapping):
        return _regular(where, cells, problems)
    if not isinstance(cells, Sequence) or isinstance(cells, str | bytes):
        problems.append(Problem(where=where, text="must be a list of cells", remedy=f"a cell is {CELL}"))
        return CellColumn.uniform(0)
    width = max((len(cell) for cell in cells if isinstance(cell, Sequence)), default=0) or 1
    constraint = np.full((width, len(cells)), NOWHERE, np.int64)
    codes = np.zeros((width, len(cells)), np.int16)
    present = np.ones(len(cells), np.bool_)
    if width == 1 and _fill_plain(cells, constraint[0], present):
        return CellColumn(present=present, constraint=constraint, tags_code=codes)
    for event, cell in enumerate(cells):
        if cell is None:
            present[event] = False
            continue
        try:
            entries = msgspec.convert(cell, list[_Entry])
        except msgspec.ValidationError as error:
            problems.append(Problem(where=f"{where}[{event}]", text=str(error), remedy=f"a cell is {CELL}"))
            continue
        for k, entry in enumerate(entries):
            if entry.constraint is not None and entry.constraint < 0:
                text = f"constraint {entry.constraint} is below 0"
                problems.append(Problem(where=f"{where}[{event}]", text=text, remedy="count from 0"))
                continue
            constraint[k, event] = ALL if entry.constraint is None else entry.constraint
            codes[k, event] = tags.setdefault(frozenset(entry.tags), len(tags))
    return CellColumn(present=present, constraint=constraint, tags_code=codes)


def _fill_plain(cells: Sequence[Any], constraint: np.ndarray[Any, np.dtype[np.int64]], present: Any) -> bool:
    """Fill a column in which every cell is ``[{"constraint": k}]`` or null, which most long maps are."""
    try:
        found = [-1 if cell is None else cell[0]["constraint"] for cell in cells if cell is None or len(cell[0]) == 1]
        if (
            len(found) < len(cells)
            or set(map(type, found)) - {int}
            or any(cell is not None and len(cell) != 1 for cell in cells)
        ):
            return False
    except (TypeError, KeyError, IndexError):
        return False
    values = np.array(found, np.int64)
    present[:] = [cell is not None for cell in cells]
    if bool((values[present] < 0).any()):
        return False
    constraint[present] = values[present]
    return True


def _regular(where: str, cells: Mapping[str, Any], problems: list[Problem]) -> CellColumn:
    try:
        rule = msgspec.convert(cells, _Regular)
        if min(rule.events, rule.every, rule.group) < 1:
            raise msgspec.ValidationError("events, every and group must be 1 or more")
    except msgspec.ValidationError as error:
        problems.append(Problem(where=where, text=str(error), remedy='write {"events": 1000, "every": 1, "group": 1}'))
        return CellColumn.uniform(0)
    return CellColumn.uniform(rule.events, every=rule.every, group=rule.group)
