"""What a pipeline is made of: sources, steps, sinks, and the classes users may subclass."""

from penstock.elements.sink import RunFacts, Sink
from penstock.elements.source import Reading, Source

__all__ = ["Reading", "RunFacts", "Sink", "Source"]
