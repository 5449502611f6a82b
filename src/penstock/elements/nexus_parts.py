"""The file over the parts of a long run: virtual data sets of all their rows, and links to each of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from penstock.core.timestamp import Timestamp
from penstock.elements.growing_rows import NUMBER, STREAM
from penstock.elements.hdf5_file import FORMAT
from penstock.elements.nexus_layout import ENTRY, begin_entry, describe_plot, end_entry, set_fields
from penstock.elements.sink import RunFacts

__all__ = ["Whole", "part_path", "write_whole"]

END: Final = "_end"
PARTS: Final = "parts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """What is said of all parts together."""

    run: RunFacts
    title: str
    fields: Mapping[str, Any]
    outcome: str = "running"
    trouble: str = ""
    ended: Timestamp | None = None
    books: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class _Group:
    """What the parts have of one group: a list for each column of (file, rows)."""

    attrs: dict[str, Any] = field(default_factory=dict)
    rows: list[int] = field(default_factory=list)
    columns: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By column and file: dtype, shape and attributes."""


def part_path(whole: Path, number: int) -> Path:
    """Return the name of a part, counted from 1."""
    return whole.with_name(f"{whole.stem}_{number:06}{whole.suffix}")


def write_whole(path: Path, parts: Sequence[Path], whole: Whole) -> None:
    """Write the file over the parts anew; who reads it sees the old one or the new one.

    Parameters
    ----------
    path
        Of the file, in the folder of the parts.
    parts
        Files that are closed.
    whole
        What is said of all.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    import h5py

    beside = path.with_name(f"{path.name}.part")
    with h5py.File(beside, "w", libver=FORMAT, locking=False) as file:
        entry = begin_entry(file, whole.run, whole.title)
        file.attrs.update(
            {"sink": whole.run.sink, "is_growing": True, "outcome": whole.outcome, "file_name": str(path)}
        )
        links = entry.create_group(PARTS)
        links.attrs["NX_class"] = "NXcollection"
        groups: dict[str, _Group] = {}
        for part in parts:
            links[part.stem] = h5py.ExternalLink(part.name, f"/{ENTRY}")
            with h5py.File(part, "r", locking=False) as found:
                _collect(found, part.name, groups, file)
        names = [part.name for part in parts]
        for place, group in groups.items():
            _write_group(file, place, group, names)
        set_fields(entry, whole.fields)
        if whole.ended is not None:
            end_entry(file, whole.outcome, whole.trouble, whole.ended, whole.books)
    beside.replace(path)


def _collect(found: Any, name: str, groups: dict[str, _Group], file: Any) -> None:
    """Look at the groups of one part; what instruments said is copied."""
    for parent in (found[ENTRY], found[ENTRY].get("instrument", {})):
        for group in list(parent.values()):
            if not hasattr(group, "attrs") or STREAM not in group.attrs:
                continue
            into = groups.setdefault(group.name, _Group())
            into.attrs |= dict(group.attrs)
            for column, dataset in group.items():
                if hasattr(dataset, "maxshape"):
                    into.columns.setdefault(column, {})[name] = dataset.dtype, dataset.shape, dict(dataset.attrs)
                else:
                    target = file.require_group(group.name)
                    if column not in target:
                        group.copy(column, target)
            into.rows.append(len(group[group.attrs[NUMBER]]))


def _write_group(file: Any, place: str, group: _Group, names: Sequence[str]) -> None:
    target = file.require_group(place)
    target.attrs.update(group.attrs)
    if "instrument" in file[ENTRY]:
        file[ENTRY]["instrument"].attrs.setdefault("NX_class", "NXinstrument")
    rows = dict(zip([n for n in names if n in group.columns[str(group.attrs[NUMBER])]], group.rows, strict=True))
    for column, found in group.columns.items():
        if column.endswith(END) and column.removesuffix(END) in group.columns:
            continue
        lines = f"{column}{END}" in group.columns
        lengths = {name: found[name][1][0] if name in found else 0 for name in rows} if lines else rows
        _write_virtual(target, place, column, found, lengths)
        if lines:
            _write_ends(target, column, found, rows, file.filename)
    describe_plot(file, place, place.rpartition("/")[2], str(group.attrs[NUMBER]))


def _write_virtual(target: Any, place: str, column: str, found: dict[str, Any], lengths: Mapping[str, int]) -> None:
    import h5py

    dtype, shape, attrs = next(iter(found.values()))
    layout = h5py.VirtualLayout((sum(lengths.values()), *shape[1:]), dtype)
    at = 0
    for name, length in lengths.items():
        if name in found and length:
            layout[at : at + length] = h5py.VirtualSource(name, f"{place}/{column}", found[name][1])[:length]
        at += length
    missing = np.nan if dtype.kind == "f" else None
    target.create_virtual_dataset(column, layout, fillvalue=missing).attrs.update(attrs)


def _write_ends(target: Any, column: str, found: dict[str, Any], rows: Mapping[str, int], beside: str) -> None:
    """Write where the lines of each row end, counted over all parts."""
    import h5py

    pieces, at = [], 0
    for name, count in rows.items():
        if name not in found:
            pieces.append(np.full(count, at))
            continue
        with h5py.File(Path(beside).with_name(name), "r", locking=False) as part:
            pieces.append(part[target.name][column + END][:count] + at)
        at += found[name][1][0]
    target.create_dataset(column + END, data=np.concatenate(pieces).astype(np.int64))
