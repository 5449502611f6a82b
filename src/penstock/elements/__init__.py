"""What a pipeline is made of: sources, steps, sinks, and the classes users may subclass."""

from penstock.core.decoder import Decoder, Traits
from penstock.elements.external_program import ExternalProgram
from penstock.elements.filling_source import Filled, FillingSource
from penstock.elements.gives_messages import GivesMessages
from penstock.elements.sink import RunFacts, Sink, Written
from penstock.elements.source import Reading, Source
from penstock.elements.tcp_source import TcpSource
from penstock.elements.zmq_source import ZmqSource

__all__ = [
    "Decoder",
    "ExternalProgram",
    "Filled",
    "FillingSource",
    "GivesMessages",
    "Reading",
    "RunFacts",
    "Sink",
    "Source",
    "TcpSource",
    "Traits",
    "Written",
    "ZmqSource",
]
