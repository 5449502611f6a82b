"""How a NeXus file of ours is laid out: entry, instruments, what is to be plotted, where it comes from.

It writes groups and attributes as the NeXus manual names them, in files that can be changed, and no data.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np

from penstock.core.timestamp import Timestamp
from penstock.elements.flow_rows import ID, KEY, TIME, Said, said_text
from penstock.elements.growing_rows import TEXT
from penstock.elements.sink import RunFacts

__all__ = ["ENTRY", "begin_entry", "describe_plot", "end_entry", "place_of_view", "set_fields", "write_said"]

ENTRY: Final = "entry"
INSTRUMENT: Final = "instrument"
OURS: Final = "penstock"
CLASSES: Final = {
    "beam": "NXbeam", "attenuator": "NXattenuator", "data": "NXdata", "detector": "NXdetector",
    "instrument": "NXinstrument", "monitor": "NXmonitor", "monochromator": "NXmonochromator", "sample": "NXsample",
    "source": "NXsource", "user": "NXuser",
}  # fmt: skip
"""What groups that users name are, as far as their names say."""


def begin_entry(file: Any, run: RunFacts, title: str) -> Any:  # h5py has no types
    """Write the entry with what is known when a run begins, and return it."""
    import h5py

    began = run.started.isoformat() if run.started != Timestamp(0) else ""
    file.attrs.update(
        {
            "NX_class": "NXroot", "default": ENTRY, "creator": "penstock", "penstock_version": run.version,
            "h5py_version": h5py.version.version, "HDF5_Version": h5py.version.hdf5_version,
            "file_name": file.filename, "outcome": "running", "pipeline": run.pipeline, "run": run.run,
        }
    )  # fmt: skip
    entry = _group(file, ENTRY, "NXentry")
    _text(entry, "title", title or run.pipeline)
    _text(entry, "entry_identifier", run.run)
    _text(entry, "program_name", "penstock").attrs["version"] = run.version
    if began:
        file.attrs["file_time"] = began
        _text(entry, "start_time", began)
    _begin_provenance(entry, run, began)
    return entry


def end_entry(file: Any, outcome: str, trouble: str, ended: Timestamp, books: Mapping[str, Any]) -> None:
    """Write how the run ended, and its books."""
    file.attrs["outcome"] = outcome
    entry = file[ENTRY]
    _text(entry, "end_time", ended.isoformat())
    ours = entry[OURS]
    _text(ours, "outcome", outcome)
    if trouble:
        _text(ours, "trouble", trouble)
    if parameters := books.get("parameters"):
        _write_parameters(_group(ours, "parameters", "NXcollection"), parameters)
    if ledger := books.get("ledger"):
        _write_ledger(_group(ours, "ledger", "NXcollection"), ledger)


def describe_plot(file: Any, path: str, name: str, number: str) -> None:
    """Say what is to be plotted of a group of rows; of an instrument's by a group of its own with links."""
    group = file[path]
    own = [n for n, each in group.items() if hasattr(each, "maxshape") and n not in (number, ID, KEY, TIME)]
    numbers = [n for n in own if group[n].dtype.kind in "biuf" and not n.startswith(TEXT) and not n.endswith("_end")]
    signal = "data" if "data" in own else next(iter(numbers), "")
    if group.attrs.get("NX_class") == "NXdetector":
        plot = _group(file[ENTRY], name, "NXdata")
        for each in (signal, number):
            if each and each not in plot:
                plot[each] = type_of_link(f"{group.name}/{each}")
    else:
        plot = group
        plot.attrs["NX_class"] = "NXdata" if signal else "NXcollection"
    if not signal:
        return
    is_row = f"{signal}_end" not in group
    plot.attrs["signal"] = signal
    plot.attrs["axes"] = [number if is_row else ".", *["."] * (group[signal].ndim - 1)]
    if is_row:
        plot.attrs[f"{number}_indices"] = 0
    entry = file[ENTRY]
    if "default" not in entry.attrs or ("data" in own and entry.attrs.get("default_of") != "data"):
        entry.attrs["default"] = name
        entry.attrs["default_of"] = signal


def type_of_link(target: str) -> Any:
    """Return a link to another place of the same file."""
    import h5py

    return h5py.SoftLink(target)


def write_said(parent: Any, said: Iterable[Said]) -> None:
    """Write what an instrument says before or behind its data: ``start``, ``start_2`` and so on."""
    for each in said:
        word = each.kind.name.lower()
        taken = [name for name in parent if name == word or name.startswith(f"{word}_")]
        if any(int(parent[name].attrs["id"]) == each.message.id for name in taken if each.message.id):
            continue  # the run goes on, and it was written
        group = _group(parent, f"{word}_{len(taken) + 1}" if taken else word, "NXcollection")
        group.attrs["id"] = each.message.id
        group.attrs["timestamp"] = each.message.timestamp_ns
        for name, value in each.message.metadata.items():
            _write_value(group, name, value)
        for k, array in enumerate(each.message.arrays):
            _write_value(group, f"data_{k}" if k else "data", array)


def set_fields(entry: Any, fields: Mapping[str, Any]) -> None:
    """Write what a user gives beside the data, and give what is there already its attributes.

    A path that names nothing yet and has no value waits until there is something of this name.
    """
    for path, given in fields.items():
        told = dict(given) if isinstance(given, Mapping) else {"value": given}
        if "value" in told:
            value = told.pop("value")
            if path not in entry:
                group = entry
                *parents, name = path.split("/")
                for parent in parents:
                    group = _group(group, parent, CLASSES.get(parent, "NXcollection"))
                _write_value(group, name, value)
        if path in entry:
            entry[path].attrs.update(told)


def place_of_view(path: str) -> str:
    """Return where in the entry a view goes: one at the top of its tree has a group of its own, so as to be plotted."""
    return path if "/" in path else f"{path}/{path}"


def _begin_provenance(entry: Any, run: RunFacts, began: str) -> None:
    ours = _group(entry, OURS, "NXprocess")
    _text(ours, "program", "penstock")
    _text(ours, "version", run.version)
    if began:
        _text(ours, "date", began)
    about = run.about
    if text := about.get("text"):
        note = _group(ours, "pipeline", "NXnote")
        _text(note, "type", "application/yaml")
        _text(note, "file_name", str(about.get("folder", "")))
        _text(note, "data", text)
    for name in ("engine", "commit", "python"):
        if about.get(name):
            _text(ours, name, str(about[name]))
    if packages := about.get("packages"):
        _text(ours, "packages", said_text(dict(packages)).decode())


def _write_parameters(group: Any, changes: Iterable[Mapping[str, Any]]) -> None:
    """Write every revision: the event from which on it held, when and by whom it was set, and the values."""
    for change in changes:
        revision = _group(group, f"revision_{change['revision']}", "NXcollection")
        revision.attrs.update({name: change[name] for name in ("from_event", "who", "when") if change.get(name, "")})
        revision.attrs["from_event"] = change["from_event"]
        for address, value in change["values"].items():
            _write_value(revision, address, value)


def _write_ledger(group: Any, edges: Iterable[Mapping[str, Any]]) -> None:
    """Write one row an edge: who gave what to whom, and what became of it."""
    import h5py

    rows = list(edges)
    for name in rows[0]:
        column = [row[name] for row in rows]
        is_text = isinstance(column[0], str)
        group.create_dataset(name, data=column, dtype=h5py.string_dtype() if is_text else np.int64)


def _write_value(group: Any, name: str, value: Any) -> None:
    """Write any value: a number, a text, an array as they are, anything else as JSON."""
    name = name.replace("/", "_").strip(".") or "_"
    while name in group:
        name = f"{name}_"
    if isinstance(value, str | bool | int | float | np.ndarray | np.generic):
        try:
            group.create_dataset(name, data=value)
            return
        except (TypeError, OverflowError):
            pass
    _text(group, name, said_text(value).decode()).attrs["type"] = "application/json"


def _group(parent: Any, name: str, nexus_class: str) -> Any:
    group = parent.require_group(name)
    group.attrs.setdefault("NX_class", nexus_class)
    return group


def _text(group: Any, name: str, text: str) -> Any:
    if name in group:
        del group[name]
    return group.create_dataset(name, data=text)
