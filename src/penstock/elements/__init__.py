"""What a pipeline is made of: sources, steps, sinks, and the classes users may subclass."""

from penstock.elements.filling_source import Filled, FillingSource
from penstock.elements.sink import RunFacts, Sink
from penstock.elements.source import Reading, Source

__all__ = ["Filled", "FillingSource", "Reading", "RunFacts", "Sink", "Source"]
