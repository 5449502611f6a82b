"""What can be detected of each source, from the numbers and times its instrument gives; which joins that forbids."""

from collections.abc import Iterator
from dataclasses import dataclass
from inspect import isclass
from pathlib import Path

from penstock.core.decoder import Traits
from penstock.core.suggest import did_you_mean
from penstock.elements.decoders import find_decoder
from penstock.elements.gives_messages import GivesMessages
from penstock.elements.instrument_source import InstrumentSource
from penstock.elements.item_source import PLAIN_TRAITS, gives_values
from penstock.elements.signature import Signature
from penstock.elements.source import Source
from penstock.elements.sources.ingester_dump import FRAMES, IngesterDumpSource
from penstock.elements.sources.recording import RecordingSource
from penstock.errors import CheckError, Problem
from penstock.pipeline.document import Document, Trail
from penstock.pipeline.plan import JoinPlan, Plan, SourcePlan
from penstock.protocols import DECODERS
from penstock.transport.address import address_problem

__all__ = [
    "Remark",
    "address_problems",
    "join_problems",
    "protocol_problems",
    "source_problems",
    "source_remarks",
    "traits_of",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """Something worth knowing that is no mistake."""

    name: str
    """The source."""
    text: str

    def __str__(self) -> str:
        return f"{self.name} {self.text}"


def traits_of(source: SourcePlan, folder: str) -> Traits | None:
    """Return what the instrument says of its messages; ``None`` if that depends on what it is connected to."""
    target = source.element.target
    if not (isclass(target) and issubclass(target, Source)):
        if isclass(target) and issubclass(target, GivesMessages):
            return target.traits_with(source.element.arguments)
        return PLAIN_TRAITS if gives_values(target) else None
    if issubclass(target, InstrumentSource) and not target.names_a_decoder():
        return None
    if target is RecordingSource:  # it has those of what was recorded
        protocol = source.element.arguments.get("protocol")
        try:
            return find_decoder(protocol, Path(folder)).traits if isinstance(protocol, str) and protocol else None
        except CheckError:
            return None
    return target.traits_with(source.element.arguments)


def source_remarks(plan: Plan) -> Iterator[Remark]:
    """Yield what can and what cannot be detected, source by source."""
    for source in plan.sources.values():
        traits = traits_of(source, plan.folder)
        if traits is None:
            continue
        if traits.number:
            text = f'numbers its messages ("{traits.number}"): what is lost, doubled or out of order is seen'
        else:
            text = "has no number of its own: a lost message shifts all that follow"
        if not traits.clock:
            text += "; it is dated when it is received"
        yield Remark(name=source.name, text=text)


def source_problems(document: Document, plan: Plan) -> Iterator[Problem]:
    """Yield each source that has nothing to decode with."""
    for source in plan.sources.values():
        target = source.element.target
        if isclass(target) and issubclass(target, InstrumentSource) and not target.names_a_decoder():
            text = f"{source.element.name} names no decoder"
            yield document.problem(("sources", source.name), text, "write decoder = the class that decodes its packets")


def address_problems(document: Document, plan: Plan) -> Iterator[Problem]:
    """Yield each address of an instrument that cannot be one."""
    for source in plan.sources.values():
        target = source.element.target
        if isclass(target) and issubclass(target, InstrumentSource) and "connect" in source.element.arguments:
            address = source.element.arguments["connect"]
            if not isinstance(address, str) and "connect" in Signature.of(target).hints:
                continue  # said already: it has another type than its annotation says
            if trouble := address_problem(address):
                text, _, remedy = trouble.partition("; ")
                yield document.problem(("sources", source.name, "connect"), text, remedy)


def protocol_problems(document: Document, plan: Plan) -> Iterator[Problem]:
    """Yield each recording, and each dump, whose protocol nobody knows."""
    for source in plan.sources.values():
        protocol = source.element.arguments.get("protocol")
        is_dump = source.element.target is IngesterDumpSource
        if not (source.element.target is RecordingSource or (is_dump and protocol != FRAMES)):
            continue
        if not (isinstance(protocol, str) and protocol):
            continue
        try:
            find_decoder(protocol, Path(plan.folder))
        except CheckError as error:
            (problem,), trail = error.problems, ("sources", source.name, "protocol")
            remedy = problem.remedy or did_you_mean(protocol, DECODERS)
            yield document.problem(trail, f"{problem.where}: {problem.text}".removeprefix(": "), remedy)


def join_problems(document: Document, plan: Plan) -> Iterator[Problem]:
    """Yield each join that asks an instrument for what it does not say."""
    for join in plan.joins.values():
        for index, stream in enumerate(join.streams):
            traits = traits_of(plan.sources[stream], plan.folder) if stream in plan.sources else None
            if traits is not None:
                yield from _stream_problems(document, join, stream, traits, ("events", join.name, "join", index))


def _stream_problems(
    document: Document, join: JoinPlan, stream: str, traits: Traits, trail: Trail
) -> Iterator[Problem]:
    if join.by == "key" and not traits.number:
        text = f"{stream} has no number of its own, so it cannot be joined by key"
        yield document.problem(trail, text, "join by order or by trigger-map")
    if join.by == "timestamp" and not traits.clock:
        text = f"{stream} is dated when it is received, which is later than it happened"
        yield document.problem(trail, text, "see that window_ms covers the way", level="warning")
