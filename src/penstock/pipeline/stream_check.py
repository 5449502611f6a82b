"""Check the durable streams that a pipeline reads and writes: that they can be, and that none waits for itself."""

from collections.abc import Iterator, Mapping

from penstock.core.stream_address import StreamAddress
from penstock.core.suggest import listed
from penstock.elements.sinks.stream import ARRIVAL, EVENT, MESSAGE, StreamSink, address_in
from penstock.elements.sources.stream import StreamSource
from penstock.errors import Problem, SinkError, StreamError
from penstock.pipeline.document import Document, Trail
from penstock.pipeline.lanes import lanes_of
from penstock.pipeline.plan import Element, Plan, SinkPlan
from penstock.pipeline.spec import JoinSpec, MergeSpec, PipelineSpec
from penstock.transport.address import address_problem

__all__ = ["stream_problems"]

Place = tuple[str, str]
"""Store and address."""


def stream_problems(document: Document, spec: PipelineSpec, plan: Plan) -> Iterator[Problem]:
    """Yield what is wrong with the streams of a pipeline."""
    if spec.store is not None:
        yield from _store_problems(document, spec.store, ("store",))
    written: dict[Place, str] = {}
    for name, sink in plan.sinks.items():
        if sink.element.target is StreamSink and name in spec.sinks:
            yield from _own_store_problems(document, plan, sink.element, ("sinks", name, "store"))
            yield from _sink_problems(document, spec, sink)
            yield from _place_problems(document, sink, written)
    for name, source in plan.sources.items():
        if source.element.target is StreamSource:
            trail: Trail = ("sources", name)
            arguments = source.element.arguments
            yield from _own_store_problems(document, plan, source.element, (*trail, "store"))
            yield from _source_problems(document, name, arguments.get("address"))
            writer = written.get((str(arguments.get("store")), str(arguments.get("address"))))
            if writer is not None:
                text = f"the stream is written by {writer} of this pipeline, so that it would wait for itself"
                yield document.problem((*trail, "address"), text, f"read what {writer} reads")


def _own_store_problems(document: Document, plan: Plan, element: Element, trail: Trail) -> Iterator[Problem]:
    """Yield what is wrong with a store that is not the pipeline's."""
    store = element.arguments.get("store")
    if store != plan.store:
        yield from _store_problems(document, store, trail)


def _store_problems(document: Document, store: object, trail: Trail) -> Iterator[Problem]:
    if not isinstance(store, str) or "://" not in store:
        return
    if not store.startswith("tcp://"):
        kind = store.partition("://")[0]
        yield document.problem(trail, f'there is no store of the kind "{kind}"', "name a folder or tcp://HOST:PORT")
    elif trouble := address_problem(store):
        text, _, remedy = trouble.partition("; ")
        yield document.problem(trail, text, remedy)


def _source_problems(document: Document, name: str, address: object) -> Iterator[Problem]:
    trail: Trail = ("sources", name, "address")
    try:
        if isinstance(address, str) and not StreamAddress.parse(address).is_stream:
            yield document.problem(trail, f"{address} names no stream", "write beamtime/source/stream")
    except StreamError as error:
        yield _of_error(document, trail, error)


def _sink_problems(document: Document, spec: PipelineSpec, sink: SinkPlan) -> Iterator[Problem]:
    arguments = sink.element.arguments
    trail: Trail = ("sinks", sink.name)
    try:
        if isinstance(arguments["address"], str):
            address_in(arguments["address"])
    except SinkError as error:
        yield _of_error(document, (*trail, "address"), error)
    if _gives_events(spec, sink.input):
        text = f"{sink.input} gives events, which are of messages of several streams"
        remedy = "let a stage return what is to be kept of them, or record the sources"
        yield document.problem((*trail, "from"), text, remedy)
    lanes = () if sink.lane else lanes_of(spec, sink.input)
    if len(lanes) > 1 and arguments["id"] in (EVENT, MESSAGE):
        text = f"events of the lanes {listed(lanes, 'and')} may have the same numbers"
        yield document.problem((*trail, "id"), text, f"write {ARRIVAL} or the name of a field, or read one lane")
    if arguments.get("ends", True) is False and arguments["id"] in (EVENT, MESSAGE) and _is_of_all_runs(arguments):
        text = f"the next run writes {arguments['address']} too, and counts from the beginning again"
        remedy = "write id: and the name of a field that says what an item came of, or {run} in its address"
        yield document.problem((*trail, "id"), text, remedy, level="warning")


def _place_problems(document: Document, sink: SinkPlan, written: dict[Place, str]) -> Iterator[Problem]:
    place = str(sink.element.arguments["store"]), str(sink.element.arguments["address"])
    other = written.setdefault(place, sink.name)
    if other != sink.name and "{sink}" not in place[1]:
        text = f"{other} writes {place[1]} too, and a stream has one writer"
        yield document.problem(("sinks", sink.name, "address"), text, "name another stream")


def _gives_events(spec: PipelineSpec, name: str) -> bool:
    """Whether a join, or a merge with a join in it, is read."""
    seen, rest = {name}, [name]
    while rest:
        event = spec.events.get(rest.pop())
        if isinstance(event, JoinSpec):
            return True
        new = set(event.merge) - seen if isinstance(event, MergeSpec) else set()
        seen |= new
        rest += new
    return False


def _is_of_all_runs(arguments: Mapping[str, object]) -> bool:
    """Whether every run writes the same stream."""
    address = str(arguments["address"])
    return "{run}" not in address and address.count("/") == len(("beamtime", "source"))


def _of_error(document: Document, trail: Trail, error: Exception) -> Problem:
    text, _, remedy = str(error).partition("; ")
    return document.problem(trail, text, remedy)
