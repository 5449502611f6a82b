"""What SNAP's names stand for here: our own elements for those that SNAP brings, and everything else as it is.

It looks nothing up; whether there is something of a name is found out later, by whoever imports it.
"""

from collections.abc import Mapping
from typing import Any, Final

from penstock.compat.snap.syntax import Receive, Reference, Send

__all__ = ["HERE", "KNOWN", "OURS", "as_receive", "as_send", "full_name", "module_path"]

HERE: Final = "penstock.compat.snap"
OURS: Final[Mapping[str, str]] = {
    "snap.elements": f"{HERE}.elements",
    "snap.elements.misc": f"{HERE}.elements.misc",
    "snap.elements.output": f"{HERE}.elements.output",
    "snap.elements.source": f"{HERE}.elements.source",
    "snap.elements.timing": f"{HERE}.elements.timing",
    "snap.elements.tqdm": f"{HERE}.elements.tqdm",
    "snap.parallel": f"{HERE}.parallel",
    "snap.status": f"{HERE}.status",
    "snap.timing": f"{HERE}.timing",
}
"""Module of SNAP → ours, which takes its place."""
KNOWN: Final = (
    ".io.hop.recv",
    ".io.hop.send",
    ".io.queue.recv",
    ".io.queue.send",
    ".io.recv",
    ".io.send",
    ".io.zmq.recv",
    ".io.zmq.send",
    ".misc.run_shell",
    ".output.dump",
    ".output.dump_to_file",
    ".output.log",
    ".source.read_array_from_txt",
    ".source.read_lines",
    ".timing.every",
    ".tqdm.counter",
    ".tqdm.meter",
)
"""The elements that SNAP brings, for suggestions."""
_MOVED: Final = {"snap.Parallel": "snap.parallel.Parallel"}
_IO: Final = "snap.elements.io"
_RECEIVES: Final = (f"{_IO}.recv", f"{_IO}.zmq.recv", f"{_IO}.hop.recv", f"{_IO}.queue.recv")
_SENDS: Final = (f"{_IO}.send", f"{_IO}.zmq.send", f"{_IO}.hop.send", f"{_IO}.queue.send")


def full_name(name: str) -> str:
    """Return a name with its whole module.

    >>> full_name(".timing.every"), full_name("snap.Parallel"), full_name("numbers.walk")
    ('snap.elements.timing.every', 'snap.parallel.Parallel', 'numbers.walk')
    """
    whole = f"snap.elements{name}" if name.startswith(".") else name
    return _MOVED.get(whole, whole)


def module_path(name: str) -> str:
    """Return a name as pipeline files write it, ours in the place of SNAP's.

    >>> module_path(".timing.every"), module_path(".combine.Buffer")
    ('penstock.compat.snap.elements.timing:every', 'snap.elements.combine:Buffer')
    """
    module, _, attribute = full_name(name).rpartition(".")
    return f"{OURS.get(module, module)}:{attribute}"


def as_receive(reference: Reference) -> Receive | None:
    """Return a source that is one of SNAP's inputs as an address; ``None`` of any other."""
    if full_name(reference.name) not in _RECEIVES:
        return None
    addresses, options = _split(reference.arguments or {})
    return Receive(address=addresses[0] if addresses else "", options=options, place=reference.place)


def as_send(reference: Reference) -> Send | None:
    """Return a step that is one of SNAP's outputs as addresses; ``None`` of any other."""
    if full_name(reference.name) not in _SENDS:
        return None
    addresses, options = _split(reference.arguments or {})
    return Send(addresses=addresses, options=options, place=reference.place)


def _split(arguments: Mapping[str, Any]) -> tuple[tuple[str, ...], dict[str, Any]]:
    written = arguments.get("address", ())
    addresses = tuple(map(str, written)) if isinstance(written, list) else (str(written),) if written else ()
    return addresses, {name: value for name, value in arguments.items() if name != "address"}
