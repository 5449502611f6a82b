"""Read a configuration of rta-dp: a JSON list of blocks, one for each process, with every mistake of a block at once.

What stands in the form of arrays, which rta-dp itself reads no more, is read as if it were written in the current one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, get_args

from penstock.compat.rtadp.block import NONE, Analysis, Block, Processing, ResultFlow, Sockets
from penstock.compat.rtadp.json_places import parse
from penstock.compat.rtadp.messages import Flow
from penstock.core.suggest import did_you_mean, listed
from penstock.errors import CheckError, Problem
from penstock.pipeline.document import Place, Trail, dotted
from penstock.transport.address import address_problem

__all__ = ["COMMAND_CENTER", "MONITORING", "ConfigFile", "is_rtadp", "read_config", "read_config_file"]

COMMAND_CENTER, MONITORING = "CommandCenter", "Monitoring"
_RESERVED: Final = (COMMAND_CENTER, MONITORING)
_REQUIRED: Final = (
    "dataflow_type", "processing_type", "datasocket_type", "data_lp_socket", "data_hp_socket", "command_socket",
    "monitoring_socket", "manager",
)  # fmt: skip
_OPTIONAL: Final = ("processname", "logs_path", "logs_level", "comment", "logging", "data_queue_maxsize", "use")
_OF_MANAGER: Final = (
    "result_socket_type", "result_dataflow_type", "result_lp_socket", "result_hp_socket", "num_workers", "name",
    "name_workers",
)  # fmt: skip
_ARRAYS: Final[Mapping[str, str]] = {
    "manager_result_socket_type": "result_socket_type",
    "manager_result_dataflow_type": "result_dataflow_type",
    "manager_result_lp_socket": "result_lp_socket",
    "manager_result_hp_socket": "result_hp_socket",
    "manager_num_workers": "num_workers",
}
_ONE_SOCKET: Final = "manager_result_socket"
"""Of a form that is older still: one socket for the results of both lanes."""
_LOGGING: Final = ("file", "console", "both", "none")
_MOST_WORKERS: Final = 1000


@dataclass(slots=True)
class ConfigFile:
    """A file whose processes can be read one by one."""

    file: str
    blocks: dict[str, tuple[int, Mapping[str, Any]]]
    """By name: which block it is, and what it holds."""
    places: Mapping[Trail, Place]
    notices: list[Problem] = field(default_factory=list)
    """Warnings of the block that was read last."""

    @property
    def processes(self) -> list[str]:
        """The names of those that process data."""
        return [name for name in self.blocks if name not in _RESERVED]

    def read(self, name: str = "") -> Block:
        """Return a process.

        Parameters
        ----------
        name
            Its ``processname``; by default the only one there is.

        Raises
        ------
        CheckError
            With every mistake in it, or if there is none of that name.
        """
        names = self.processes
        if not name and len(names) != 1:
            text = f"the file has the processes {listed(names, 'and')}" if names else "the file has no process"
            remedy = "say which one with --node NAME" if names else 'write a block with "processname": "RTADP1"'
            raise CheckError([Problem(where="--node", text=text, remedy=remedy, file=self.file)])
        name = name or names[0]
        if name not in names:
            text = f'"{name}" processes nothing' if name in _RESERVED else f'there is no process "{name}"'
            raise CheckError([Problem(where=name, text=text, remedy=did_you_mean(name, names), file=self.file)])
        index, written = self.blocks[name]
        reader = _BlockReader(self, index, written)
        block = reader.block(name)
        self.notices = [problem for problem in reader.problems if problem.level != "error"]
        if errors := [problem for problem in reader.problems if problem.level == "error"]:
            raise CheckError(errors)
        assert block is not None, "what is not read has a problem"
        return block

    def other(self, name: str, key: str) -> str:
        """Return what another block says under a key; empty if it says nothing."""
        found = self.blocks.get(name, (0, {}))[1].get(key, "")
        return found if isinstance(found, str) else ""


def is_rtadp(text: str) -> bool:
    """Whether a text is a list of blocks with process names, however badly written.

    >>> is_rtadp('[{"processname": "RTADP1"}]'), is_rtadp("sources: {}")
    (True, False)
    """
    return text.removeprefix("\ufeff").lstrip()[:1] == "[" and '"processname"' in text


def read_config_file(path: Path) -> ConfigFile:
    """Read a file.

    Raises
    ------
    CheckError
        If it cannot be read, or as ``read_config`` does.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = f"cannot be read: {error}"
        raise CheckError([Problem(where="", text=reason, remedy="name a JSON file", file=str(path))]) from error
    return read_config(text, str(path))


def read_config(text: str, file: str) -> ConfigFile:
    """Read which blocks a configuration has.

    Raises
    ------
    CheckError
        If it is no JSON list of blocks, or two have one name.
    """
    value, places = parse(text, file)
    problems: list[Problem] = []

    def report(trail: Trail, text: str, remedy: str) -> None:
        place = places.get(trail, Place(file))
        problems.append(Problem(where=dotted(trail), text=text, remedy=remedy, file=file, line=place.line))

    blocks: dict[str, tuple[int, Mapping[str, Any]]] = {}
    if not isinstance(value, list):
        report((), "a configuration is a list of blocks", 'write [{"processname": "RTADP1", …}]')
    for index, block in enumerate(value if isinstance(value, list) else ()):
        if not isinstance(block, dict):
            report((index,), f"a block is an object, and not {block!r}", 'write {"processname": "RTADP1", …}')
            continue
        name = block.get("processname")
        if not isinstance(name, str) or not name:
            report((index,), "a block without a name", 'write "processname": "RTADP1"')
        elif name in blocks:
            text_ = f'"{name}" is the name of block {blocks[name][0] + 1}, too'
            report((index, "processname"), text_, "give one of them another name")
        else:
            blocks[name] = (index, block)
    if problems:
        raise CheckError(problems)
    return ConfigFile(file, blocks, places)


class _BlockReader:
    """Reads one block, and collects what is wrong with it."""

    def __init__(self, file: ConfigFile, index: int, written: Mapping[str, Any]) -> None:
        self._file = file
        self._index = index
        self._name = str(written["processname"])
        self._has_arrays = "manager" not in written and any(key.startswith("manager_") for key in written)
        self._written: Mapping[str, Any] = self._current(written) if self._has_arrays else written
        self.problems: list[Problem] = []
        if self._has_arrays:
            self._note_arrays(written)

    def block(self, name: str) -> Block | None:
        """Return the block; ``None`` if something is wrong with it."""
        written = self._written
        self._look_at_keys((), written, _REQUIRED, _OPTIONAL)
        sockets: Any = self._one_of((), "datasocket_type", Sockets, without=(NONE,))
        analyses = tuple(self._analyses())
        block = Block(
            name=name,
            flow=self._one_of((), "dataflow_type", Flow),
            processing=self._one_of((), "processing_type", Processing),
            sockets=sockets,
            low=self._address((), "data_lp_socket", is_free=sockets == "custom"),
            high=self._address((), "data_hp_socket", is_free=sockets == "custom"),
            command=self._address((), "command_socket"),
            monitoring=self._address((), "monitoring_socket"),
            analyses=analyses,
            logs=self._text((), "logs_path", ""),
            drops=self._is_bounded(),
            use=self._text((), "use", ""),
            written=written,
            index=self._index,
            places=self._file.places,
        )
        if written.get("logging", "none") not in _LOGGING:
            self._report(("logging",), f"there is no {written['logging']!r}", f"write one of {listed(_LOGGING, 'or')}")
        if any(problem.level == "error" for problem in self.problems):
            return None
        self._look_at_addresses(block)
        self._look_at_others(block)
        return block

    # Parts

    def _analyses(self) -> Iterator[Analysis]:
        managers = self._written.get("manager")
        if managers is None:
            return
        if not isinstance(managers, list) or not managers:
            remedy = 'write [{"name": "Rate", "num_workers": 2, …}]'
            self._report(("manager",), "is a list of at least one manager", remedy)
            return
        names: dict[str, int] = {}
        for index, manager in enumerate(managers):
            trail: Trail = ("manager", index)
            if not isinstance(manager, dict):
                self._report(trail, f"a manager is an object, and not {manager!r}", 'write {"name": "Rate", …}')
                continue
            self._look_at_keys(trail, manager, _OF_MANAGER, ("use",))
            name = self._text(trail, "name", f"manager{index}")
            if name in names:
                self._report((*trail, "name"), f'manager {names[name]} is called "{name}", too', "call one otherwise")
            names[name] = index
            yield Analysis(
                name=name,
                group=self._text(trail, "name_workers", "worker"),
                workers=self._count(trail, "num_workers"),
                sockets=self._one_of(trail, "result_socket_type", Sockets, without=("custom",)),
                flow=self._one_of(trail, "result_dataflow_type", ResultFlow),
                low=self._address(trail, "result_lp_socket"),
                high=self._address(trail, "result_hp_socket"),
                use=self._text(trail, "use", ""),
                trail=(self._index, *trail),
            )

    def _look_at_keys(
        self, trail: Trail, written: Mapping[str, Any], required: tuple[str, ...], optional: tuple[str, ...]
    ) -> None:
        unknown = [key for key in written if key not in required and key not in optional]
        for key in required:
            if key not in written:
                similar = next(iter(get_close_matches(key, unknown, n=1, cutoff=0.8)), "")
                remedy = f'write it so, and not "{similar}"' if similar else f'write "{key}": {_example(key)}'
                self._report((*trail, key), "is missing", remedy)
        for key in unknown:
            remedy = did_you_mean(key, [*required, *optional], otherwise="leave it out")
            self._report((*trail, key), "is no key that is read", remedy, level="warning")

    def _value(self, trail: Trail, key: str) -> Any:  # as JSON has it
        found: Any = self._written
        for step in (*trail, key):
            found = found.get(step) if isinstance(found, Mapping) else found[step]
        return found

    def _one_of(self, trail: Trail, key: str, kind: Any, without: tuple[str, ...] = ()) -> Any:  # one of the kind's
        words = [word for word in get_args(kind) if word not in without]
        written = self._value(trail, key)
        if written is not None and written not in words:
            remedy = did_you_mean(written, words) if isinstance(written, str) else f"write {listed(words, 'or')}"
            self._report((*trail, key), f"{written!r} is none of {listed(words, 'and')}", remedy)
        return written

    def _text(self, trail: Trail, key: str, default: str) -> str:
        written = self._value(trail, key)
        if written is None:
            return default
        if not isinstance(written, str) or not written:
            self._report((*trail, key), f"is a text, and not {written!r}", f'write "{key}": {_example(key)}')
            return default
        return written

    def _count(self, trail: Trail, key: str) -> int:
        written = self._value(trail, key)
        if written is None:
            return 1
        if not isinstance(written, int) or isinstance(written, bool) or not 1 <= written <= _MOST_WORKERS:
            self._report((*trail, key), f"is a whole number from 1, and not {written!r}", f'write "{key}": 2')
            return 1
        return written

    def _address(self, trail: Trail, key: str, *, is_free: bool = False) -> str:
        written = self._value(trail, key)
        if written is None:
            return NONE
        if not isinstance(written, str) or not written:
            self._report((*trail, key), f"is an address, and not {written!r}", f'write "{key}": {_example(key)}')
        elif written != NONE and not is_free and (trouble := address_problem(written.replace("//*:", "//0.0.0.0:"))):
            text, _, remedy = trouble.partition("; ")
            self._report((*trail, key), text, remedy or f'write "{key}": {_example(key)}')
        return str(written)

    def _is_bounded(self) -> bool:
        most = self._written.get("data_queue_maxsize")
        if most is None:
            return False
        if not isinstance(most, int) or isinstance(most, bool) or most < 0:
            self._report(("data_queue_maxsize",), f"is a number of items, and not {most!r}", "write 1000, or leave it")
        return most != 0

    # What fits what

    def _look_at_addresses(self, block: Block) -> None:
        if not block.lanes:
            self._report(("data_lp_socket",), "no data would ever come", "write an address there")
        if NONE in (block.command, block.monitoring):
            key = "command_socket" if block.command == NONE else "monitoring_socket"
            self._report((key,), "a process cannot do without it", f'write "{key}": {_example(key)}')
        bound: dict[str, Trail] = {}
        for address, trail in _bound(block):
            if address in bound:
                other = dotted(bound[address])
                self._report(trail, f"{address} is bound by {other}, too", "each lane has an address of its own")
            bound.setdefault(address, trail)
        for analysis in block.analyses:
            trail = analysis.trail[1:]
            has_address = {analysis.low, analysis.high} != {NONE}
            if has_address and NONE in (analysis.sockets, analysis.flow):
                key = "result_socket_type" if analysis.sockets == NONE else "result_dataflow_type"
                text = "is none, so its results go nowhere, though there is an address for them"
                self._report((*trail, key), text, "write what they are, or none for the addresses", level="warning")

    def _look_at_others(self, block: Block) -> None:
        """Warn where what others of the file say does not lead here."""
        theirs = self._file.other(COMMAND_CENTER, "command_socket")
        if theirs and theirs != block.command:
            text = f"commands are sent at {theirs}, as {COMMAND_CENTER} says, and would not come here"
            self._report(("command_socket",), text, f'write "{theirs}"', level="warning")
        is_forwarded = self._file.other(MONITORING, "monitoring_forwarder") == "on"
        key = "forwarder_frontend_socket" if is_forwarded else "monitoring_socket"
        theirs = self._file.other(MONITORING, key)
        if theirs and theirs != block.monitoring:
            text = f"{MONITORING} listens at {theirs}, its {key}, and would hear nothing from here"
            self._report(("monitoring_socket",), text, f'write "{theirs}"', level="warning")

    # The form of arrays

    def _current(self, written: Mapping[str, Any]) -> dict[str, Any]:
        """Return a block with arrays in the current form; what is wrong with the arrays shows there."""
        rest = {key: value for key, value in written.items() if not key.startswith("manager_")}
        arrays = {key: value for key, value in written.items() if key in (*_ARRAYS, _ONE_SOCKET)}
        count = max((len(value) for value in arrays.values() if isinstance(value, list)), default=0)
        managers = []
        for index in range(count):
            manager = {now: _at(arrays.get(then), index) for then, now in _ARRAYS.items() if then in arrays}
            if _ONE_SOCKET in arrays:
                manager |= {"result_lp_socket": _at(arrays[_ONE_SOCKET], index), "result_hp_socket": NONE}
            manager |= {"name": f"manager{index}", "name_workers": "worker"}
            managers.append({key: value for key, value in manager.items() if value is not None})
        return {**rest, "manager": managers}

    def _note_arrays(self, written: Mapping[str, Any]) -> None:
        arrays = {key: value for key, value in written.items() if key.startswith("manager_")}
        for key, value in arrays.items():
            if key not in (*_ARRAYS, _ONE_SOCKET):
                remedy = did_you_mean(key, [*_ARRAYS, _ONE_SOCKET], otherwise="leave it out")
                self._report((key,), "is no key that is read", remedy, level="warning")
            elif not isinstance(value, list):
                self._report((key,), "is a list with an entry for each manager", f'write "{key}": [{value!r}]')
        counts = {len(value) for key, value in arrays.items() if isinstance(value, list)}
        if len(counts) > 1:
            text = f"the lists of managers have {listed(sorted(map(str, counts)), 'and')} entries"
            self._report((next(iter(arrays)),), text, "let all of them have one for each manager")
        number = max(counts, default=0)
        text = f"managers are written in the old form of arrays; read as a list of {number}, called manager0 and so on"
        remedy = 'write "manager": [{"name": …, "num_workers": …, …}], or make a pipeline file with penstock convert'
        self._report((next(iter(arrays)),), text, remedy, level="warning")

    def _report(self, trail: Trail, text: str, remedy: str = "", level: str = "error") -> None:
        places, whole = self._file.places, (self._index, *trail)
        place = next((places[whole[:n]] for n in range(len(whole), 0, -1) if whole[:n] in places), Place())
        self.problems.append(
            Problem(
                where=f"{self._name}.{dotted(trail)}", text=text, remedy=remedy, file=self._file.file, line=place.line,
                level=level,
            )
        )  # fmt: skip


def _bound(block: Block) -> Iterator[tuple[str, Trail]]:
    """Yield the addresses that the process binds, and where they stand."""
    if block.sockets == "pushpull":
        for lane, key in (("high", "data_hp_socket"), ("low", "data_lp_socket")):
            if address := block.address(lane):
                yield address, (key,)
    for analysis in block.analyses:
        if analysis.sockets == "pubsub":
            for lane, key in (("high", "result_hp_socket"), ("low", "result_lp_socket")):
                if address := analysis.address(lane):
                    yield address, (*analysis.trail[1:], key)


def _at(values: Any, index: int) -> Any:  # as JSON has it
    return values[index] if isinstance(values, list) and index < len(values) else None


def _example(key: str) -> str:
    if key == "manager":
        return '[{"name": "Rate", …}]'
    if key == "num_workers":
        return "2"
    if key.endswith("_socket"):
        return '"tcp://127.0.0.1:5555"'
    words = {
        "dataflow_type": "string", "processing_type": "process", "datasocket_type": "pushpull",
        "result_socket_type": "pushpull", "result_dataflow_type": "string", "name": "Rate", "name_workers": "worker",
        "logs_path": "logs", "use": "module:Class",
    }  # fmt: skip
    return f'"{words.get(key, "…")}"'
