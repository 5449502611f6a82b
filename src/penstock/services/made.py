"""Sources and sinks made from what a plan says, with an error that names the entry."""

from collections.abc import Callable, Mapping
from typing import Any

from penstock.elements.item_source import ItemSource, is_item_source
from penstock.elements.signature import Signature
from penstock.elements.sink import Sink
from penstock.elements.source import Source
from penstock.errors import PenstockError, SinkError, SourceError
from penstock.pipeline.plan import Element
from penstock.services.value_source import ValueSource

__all__ = ["made_sink", "made_source", "sink_of", "source_of"]

Target = Callable[..., Any]


def source_of(element: Element, name: str) -> Source:
    """Make the source of an entry; user code that gives plain values is read by a `ValueSource`.

    Raises
    ------
    SourceError
        If it cannot be made; what the source raises itself goes through if it is ours.
    UserCodeError
        Likewise of what gives plain values.
    """
    return made_source(element.target, element.arguments, element.name, name)


def sink_of(element: Element, name: str) -> Sink:
    """Make the sink of an entry; raises ``SinkError``, or what the sink raises itself if that is ours."""
    return made_sink(element.target, element.arguments, element.name, name)


def made_source(target: Target, arguments: Mapping[str, Any], written: str, name: str) -> Source:
    """Make a source; raises as ``source_of``."""
    if is_item_source(target):
        found = ItemSource.made(target, arguments, name)
        return found.thing if isinstance(found.thing, Source) else ValueSource(found, name)
    source = _made(target, arguments, written, f"sources.{name}", SourceError)
    assert isinstance(source, Source), "it is a class of them"
    return source


def made_sink(target: Target, arguments: Mapping[str, Any], written: str, name: str) -> Sink:
    """Make a sink; raises as ``sink_of``."""
    sink = _made(target, arguments, written, f"sinks.{name}", SinkError)
    if not isinstance(sink, Sink):
        raise SinkError(f"sinks.{name}: {written} makes {type(sink).__name__}, which is no Sink; subclass Sink")
    return sink


def _made(
    target: Target, arguments: Mapping[str, Any], written: str, where: str, kind: type[PenstockError]
) -> Any:  # whatever a factory makes
    try:
        return target(**Signature.of(target).meant_by(arguments))
    except PenstockError:
        raise
    except Exception as error:  # a source or sink may be user code
        raise kind(f"{where}: {written} could not be made: {type(error).__name__}: {error}") from error
