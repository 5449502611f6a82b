"""Convert a node of SNAP to a pipeline: chains become stages of steps, what they send to one another their connections.

A chain is cut where it sends, so that what stands behind goes on from there and others read from there too. Nothing is
run, and nothing is written.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from penstock.compat.snap.names import as_receive, as_send
from penstock.compat.snap.reader import is_address
from penstock.compat.snap.syntax import Chain, Node, Receive, Reference, Send
from penstock.compat.snap.things import Lookup, may_be_buffer, thing_of, workers_of
from penstock.core.suggest import did_you_mean, listed
from penstock.errors import Problem
from penstock.pipeline.document import Place, Trail

__all__ = ["Converted", "Peers", "convert"]

_QUEUE: Final = "queue://"
_ZMQ: Final = ("tcp", "ipc", "inproc", "udp", "pgm", "epgm")
_SPOKEN: Final = ("tcp", "ipc")
"""What ZeroMQ elements of a pipeline speak."""
_LOCAL: Final = re.compile(r"tcp://(127\.|localhost\b|\[::1\])|ipc://")


@dataclass(frozen=True, slots=True, kw_only=True)
class Peers:
    """Who is at the other end of ZeroMQ sockets."""

    speak_pickle: bool = False
    """Whether those that send are SNAP's own nodes, whose items are pickles."""
    allow: tuple[str, ...] = ()
    """Dataclasses that their pickles may hold, as ``module:Class``."""


@dataclass(slots=True)
class Converted:
    """A node as a pipeline."""

    tree: dict[str, Any] = field(default_factory=dict)
    """As a pipeline file has it."""
    places: dict[Trail, Place] = field(default_factory=dict)
    """Where in SNAP's file each entry stands."""
    problems: list[Problem] = field(default_factory=list)


def convert(node: Node, lookup: Lookup, peers: Peers | None = None) -> Converted:
    """Convert a node.

    Parameters
    ----------
    node
        As read.
    lookup
        Finds the objects that it names, and notes those that are not there.
    peers
        Who is at the other end of ZeroMQ sockets; by default other pipelines.

    Returns
    -------
    Converted
        With every problem: names of chains that nobody has, chains that would share a queue, and such.
    """
    return _Converter(node, lookup, peers or Peers()).converted()


@dataclass(slots=True)
class _Port:
    """Something items come out of: an entry by name, or a queue whose senders are known only when all is read."""

    entry: str = ""
    queue: str = ""


@dataclass(slots=True)
class _Reader:
    """An entry that reads from a port."""

    section: str
    name: str
    port: _Port
    entry: dict[str, Any]


class _Converter:
    def __init__(self, node: Node, lookup: Lookup, peers: Peers) -> None:
        self._node = node
        self._lookup = lookup
        self._peers = peers
        self._out = Converted()
        self._names: set[str] = set()
        self._sources: dict[str, dict[str, Any]] = {}
        self._readers: list[_Reader] = []
        self._senders: dict[str, list[_Port]] = {}
        self._merges: dict[str, dict[str, Any]] = {}
        self._resolved: dict[str, str | None] = {}
        self._living: set[str] = set()

    def converted(self) -> Converted:
        chains = [_with_addresses(chain) for chain in self._node.chains]
        queues = self._queues(chains)
        for chain in chains:
            self._chain(chain, queues)
        self._find_living()
        tree: dict[str, Any] = {"name": self._node.name, "sources": self._sources}
        sections: dict[str, dict[str, Any]] = {"stages": {}, "sinks": {}}
        for reader in self._readers:
            if producer := self._producer(reader):
                sections[reader.section][reader.name] = {"from": producer, **reader.entry}
        tree |= {"events": self._merges, **sections}
        self._out.tree = {key: value for key, value in tree.items() if value}
        return self._out

    def _report(self, place: Place, text: str, remedy: str = "", level: str = "error", where: str = "") -> None:
        self._out.problems.append(
            Problem(
                where=where or self._node.name, text=text, remedy=remedy, file=place.file, line=place.line, level=level
            )
        )

    def _queues(self, chains: list[Chain]) -> dict[str, Chain]:
        """Return the chain that reads each queue; two that share one are a mistake."""
        found: dict[str, Chain] = {}
        named: dict[str, Chain] = {}
        for chain in chains:
            if chain.name and chain.name in named:
                at = f"line {named[chain.name].place.line}"
                text = f'a chain "{chain.name}" stands in {at} too; they would share what is sent there by chance'
                self._report(chain.place, text, "give one of them another name")
                continue
            named[chain.name] = chain
            queue = _queue_of(chain)
            if not queue and chain.source is None:
                self._report(chain.place, "a chain without a source has no name", "write !chain:NAME, or !from")
            elif not queue:
                continue
            elif queue in found:
                text = f'"{queue}" is read by the chain of line {found[queue].place.line} too'
                self._report(chain.place, text, "let one of them send to the other")
            else:
                found[queue] = chain
        for chain in chains:
            is_open = bool(chain.name) and chain.name not in found
            if is_open and isinstance(chain.source, Reference) and may_be_buffer(chain.source, self._lookup):
                found[chain.name] = chain
        return found

    def _chain(self, chain: Chain, queues: Mapping[str, Chain]) -> None:
        if chain.source is None and not chain.name:
            return  # which is reported
        base = self._base_of(chain)
        port, first = self._begin(chain, base, queues)
        steps: list[Any] = []
        places: list[Place] = []
        part = 0
        for element in (*first, *chain.elements):
            workers = workers_of(element, self._lookup) if isinstance(element, Reference) else None
            if isinstance(element, Reference) and workers is None:
                steps.append(thing_of(element, "step", self._lookup).as_step)
                places.append(element.place)
                continue
            if steps:
                port, part = self._stage(base, part, port, {"steps": steps}, places), part + 1
                steps, places = [], []
            if workers is not None:
                port, part = self._stage(base, part, port, workers, [element.place]), part + 1
            elif isinstance(element, Send):
                self._send(chain, element, port, queues)
        if steps:
            self._stage(base, part, port, {"steps": steps}, places)

    def _begin(self, chain: Chain, base: str, queues: Mapping[str, Chain]) -> tuple[_Port, list[Reference]]:
        """Return where a chain's items come from, and what of its source is a step."""
        source = chain.source
        if queue := _queue_of(chain):
            return _Port(queue=queue), []
        if isinstance(source, Reference) and queues.get(chain.name) is chain and self._is_sent_to(chain.name):
            return _Port(queue=chain.name), [source]
        has_steps = any(isinstance(element, Reference) for element in chain.elements)
        name = self._name(f"{base}_source" if has_steps else base)
        if isinstance(source, Reference):
            entry = thing_of(source, "source", self._lookup).as_entry
        else:
            assert isinstance(source, Receive), "a chain without a source reads a queue"
            entry = self._received(source)
        self._sources[name] = entry
        self._out.places[("sources", name)] = source.place
        return _Port(entry=name), []

    def _is_sent_to(self, name: str) -> bool:
        sends = [each for chain in self._node.chains for each in _with_addresses(chain).elements]
        addresses = {address for send in sends if isinstance(send, Send) for address in send.addresses}
        return bool(addresses & {name, f"{_QUEUE}{name}"})

    def _stage(self, base: str, part: int, port: _Port, entry: dict[str, Any], places: list[Place]) -> _Port:
        name = self._name(base if not part else f"{base}_{part + 1}")
        self._readers.append(_Reader("stages", name, port, entry))
        self._out.places[("stages", name)] = places[0]
        for index, place in enumerate(places):
            self._out.places[("stages", name, "steps", index)] = place
        return _Port(entry=name)

    def _send(self, chain: Chain, send: Send, port: _Port, queues: Mapping[str, Chain]) -> None:
        if not send.addresses:
            self._report(send.place, "it does not say where to send", "write an address", where=chain.name)
        for address in send.addresses:
            if is_address(address) and not address.startswith(_QUEUE):
                self._send_out(chain, address, send, port)
                continue
            name = address.removeprefix(_QUEUE)
            if name not in queues:
                self._report(send.place, *_no_such_chain(name, self._node, queues), where=chain.name)
                continue
            self._senders.setdefault(name, []).append(port)

    def _send_out(self, chain: Chain, address: str, send: Send, port: _Port) -> None:
        name = self._name(f"{self._base_of(chain)}_to")
        scheme = address.partition("://")[0]
        if scheme == "kafka":
            entry = {"use": "hopskotch", "url": address, **send.options}
        elif scheme in _SPOKEN:
            entry = {"use": "zmq-push", "connect": address}
            if self._peers.speak_pickle:
                text = f"what is sent to {address} is no pickle, which is all that SNAP reads"
                self._report(send.place, text, "let a node that is run here receive it", level="warning")
        else:
            self._report(send.place, *_not_spoken(address), where=chain.name)
            return
        self._readers.append(_Reader("sinks", name, port, entry))
        self._out.places[("sinks", name)] = send.place

    def _received(self, source: Receive) -> dict[str, Any]:
        address, scheme = source.address, source.address.partition("://")[0]
        if scheme == "kafka":
            return {"use": "hopskotch", "url": address, **source.options}
        if scheme not in _SPOKEN:
            self._report(source.place, *_not_spoken(address))
            return {"use": "zmq-pull", "bind": address}
        entry: dict[str, Any] = {"use": "zmq-pull", "bind": address, **self._encoding()}
        if not _LOCAL.match(address):
            entry["open_to_network"] = True
            text = f"whoever reaches this machine can send to {address}"
            remedy = "write tcp://127.0.0.1:PORT if senders are on this machine"
            self._report(source.place, text, remedy, level="warning")
        return entry

    def _encoding(self) -> dict[str, Any]:
        """Return how what is received was written."""
        if not self._peers.speak_pickle:
            return {}
        allow = {"allow": list(self._peers.allow)} if self._peers.allow else {}
        return {"encoding": "snap-pickle", **allow}

    def _producer(self, reader: _Reader) -> str | None:
        """Return the entry that a reader reads; ``None`` if nothing will ever come, which is reported."""
        port = reader.port
        if not self._lives(port):
            text = f'nothing is sent to "{port.queue or port.entry}", so this is left out'
            self._report(self._out.places[(reader.section, reader.name)], text, level="warning", where=reader.name)
            return None
        return port.entry or self._behind(port.queue, ())

    def _find_living(self) -> None:
        """Find the entries and queues out of which something will ever come, from the sources on."""
        self._living = set(self._sources)
        grown = 0
        while len(self._living) != grown:
            grown = len(self._living)
            self._living |= {_queue_key(name) for name, ports in self._senders.items() if any(map(self._lives, ports))}
            self._living |= {reader.name for reader in self._readers if self._lives(reader.port)}

    def _lives(self, port: _Port) -> bool:
        return (port.entry or _queue_key(port.queue)) in self._living

    def _behind(self, queue: str, asked: tuple[str, ...]) -> str | None:
        """Return what gives everything that is sent to a queue: one entry, or a merge of several."""
        if queue in asked:
            text = f"what is sent here would run in a circle: {' → '.join([*asked[asked.index(queue) :], queue])}"
            place = next((chain.place for chain in self._node.chains if chain.name == queue), self._node.place)
            self._report(place, text, "let one of them send elsewhere", where=queue)
            return None
        if queue not in self._resolved:
            ports = [port for port in self._senders.get(queue, ()) if self._lives(port)]
            alive = [port.entry or self._behind(port.queue, (*asked, queue)) for port in ports]
            entries = list(dict.fromkeys(entry for entry in alive if entry))
            if len(entries) < 2:
                self._resolved[queue] = entries[0] if entries else None
            else:
                name = self._name(f"to_{_word(queue)}")
                self._merges[name] = {"merge": entries}
                self._resolved[queue] = name
        return self._resolved[queue]

    def _base_of(self, chain: Chain) -> str:
        if chain.name:
            return _word(chain.name)
        if isinstance(chain.source, Reference):
            return _word(chain.source.name.rpartition(".")[2])
        return "chain"

    def _name(self, wanted: str) -> str:
        name, number = wanted, 1
        while name in self._names:
            number += 1
            name = f"{wanted}_{number}"
        self._names.add(name)
        return name


def _queue_key(queue: str) -> str:
    """Return what no entry can be called."""
    return f"{_QUEUE}{queue}"


def _with_addresses(chain: Chain) -> Chain:
    """Return a chain in which SNAP's inputs and outputs are addresses, however they were written."""
    source = chain.source
    if isinstance(source, Reference):
        source = as_receive(source) or source
    elements = [(as_send(each) or each) if isinstance(each, Reference) else each for each in chain.elements]
    return replace(chain, source=source, elements=tuple(elements))


def _queue_of(chain: Chain) -> str:
    """Return the queue that a chain reads; empty if it has a source of its own."""
    if chain.source is None:
        return chain.name
    if isinstance(chain.source, Receive) and (
        chain.source.address.startswith(_QUEUE) or not is_address(chain.source.address)
    ):
        return chain.source.address.removeprefix(_QUEUE)
    return ""


def _no_such_chain(name: str, node: Node, queues: Mapping[str, Chain]) -> tuple[str, str]:
    if any(chain.name == name for chain in node.chains):
        text = f'"{name}" has a source of its own, so nothing can be sent to it'
        return text, f"let the steps behind it be a chain without a source; those that can be sent to: {_all(queues)}"
    remedy = did_you_mean(name, queues, otherwise=f"those that can be sent to: {_all(queues)}")
    return f'there is no chain "{name}" to send to', remedy


def _all(queues: Mapping[str, Chain]) -> str:
    return listed(sorted(queues), "and") or "none"


def _not_spoken(address: str) -> tuple[str, str]:
    scheme = address.partition("://")[0]
    if scheme in _ZMQ:
        return f"{scheme}:// is not spoken here", "write tcp:// or ipc://; within a node send to a chain by its name"
    known = did_you_mean(scheme, (*_SPOKEN, "kafka", "queue"), otherwise="write tcp://, ipc://, kafka:// or queue://")
    return f'"{address}" is no address', known


def _word(name: str) -> str:
    word = re.sub(r"[^A-Za-z0-9_-]", "_", name)
    return word if re.match(r"[A-Za-z_]", word) else f"_{word}"
