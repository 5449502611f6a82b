"""Sources and sinks made from what a plan says, with an error that names the entry."""

from collections.abc import Callable, Mapping
from typing import Any

from penstock.elements.signature import Signature
from penstock.elements.sink import Sink
from penstock.elements.source import Source
from penstock.errors import PenstockError, SinkError, SourceError
from penstock.pipeline.plan import Element

__all__ = ["made_sink", "made_source", "sink_of", "source_of"]

Target = Callable[..., Any]


def source_of(element: Element, name: str) -> Source:
    """Make the source of an entry; raises ``SourceError``, or what the source raises itself if that is ours."""
    return made_source(element.target, element.arguments, element.name, name)


def sink_of(element: Element, name: str) -> Sink:
    """Make the sink of an entry; raises ``SinkError``, or what the sink raises itself if that is ours."""
    return made_sink(element.target, element.arguments, element.name, name)


def made_source(target: Target, arguments: Mapping[str, Any], written: str, name: str) -> Source:
    """Make a source; raises as ``source_of``."""
    source = _made(target, arguments, written, f"sources.{name}", SourceError)
    if not isinstance(source, Source):
        text = f"sources.{name}: {written} makes {type(source).__name__}, which is no Source; subclass Source"
        raise SourceError(text)
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
