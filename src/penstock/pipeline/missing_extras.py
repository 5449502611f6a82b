"""Which libraries of extras a pipeline needs that are not installed here. It looks for them and imports none."""

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from itertools import chain
from typing import Final

from penstock.errors import Problem
from penstock.pipeline.document import Document, dotted
from penstock.pipeline.plan import Element, Plan

__all__ = ["NEEDED", "missing_extras"]

NEEDED: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "penstock.elements.sources.ess": ("ess", ("confluent_kafka", "flatbuffers")),
    "penstock.elements.sources.hopskotch": ("hop", ("confluent_kafka", "hop")),
    "penstock.elements.sources.kafka": ("kafka", ("confluent_kafka",)),
    "penstock.elements.sources.mqtt": ("mqtt", ("paho",)),
    "penstock.elements.sources.pv": ("epics", ("p4p", "aioca")),
    "penstock.elements.sources.pva": ("epics", ("p4p",)),
    "penstock.elements.sources.tango": ("tango", ("tango",)),
    "penstock.elements.workers.onnx": ("onnx", ("onnxruntime",)),
    "penstock.elements.workers.torch": ("torch", ("torch",)),
    "penstock.elements.sinks.epics": ("epics", ("p4p",)),
    "penstock.elements.sinks.hopskotch": ("hop", ("confluent_kafka", "hop")),
    "penstock.elements.sinks.kafka": ("kafka", ("confluent_kafka",)),
    "penstock.elements.sinks.mqtt": ("mqtt", ("paho",)),
    "penstock.elements.sinks.png": ("png", ("matplotlib",)),
    "penstock.elements.sinks.tango": ("tango", ("tango",)),
    "penstock.elements.sinks.zarr": ("zarr", ("zarr",)),
}
"""By the module of an element: the extra that it needs, and the libraries of it that it imports when it begins."""


def missing_extras(document: Document, plan: Plan, level: str = "warning") -> Iterator[Problem]:
    """Yield each element that cannot begin in this installation.

    Parameters
    ----------
    document, plan
        What was written, and what came of it.
    level
        A warning while it is only checked, since it may run on another machine.
    """
    places = {dotted(trail): place for trail, place in document.places.items()}
    codes = [stage.code for stage in plan.stages.values()]
    ends = [*(source.element for source in plan.sources.values()), *(sink.element for sink in plan.sinks.values())]
    for element in chain(ends, *codes):
        extra, libraries = NEEDED.get(getattr(element.target, "__module__", ""), ("", ()))
        for library in _of(element, libraries):
            if find_spec(library) is None:
                place = places.get(element.where)
                yield Problem(
                    where=element.where,
                    text=f"{library} is not installed",
                    remedy=f'pip install "penstock[{extra}]" brings it',
                    file=place.file if place else "",
                    line=element.line,
                    level=level,
                )
                break


def _of(element: Element, libraries: tuple[str, ...]) -> tuple[str, ...]:
    """Return those that an element imports as it is written."""
    if libraries == ("p4p", "aioca"):  # the one or the other, for PVAccess or Channel Access
        return libraries[1:] if element.arguments.get("provider") == "ca" else libraries[:1]
    return libraries
