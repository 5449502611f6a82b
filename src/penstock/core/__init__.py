"""The nouns and the pure mechanisms: no socket, task, clock, file or thread in here."""

from penstock.core.block import Block, RaggedColumn, Rows
from penstock.core.detector_image import DetectorImage
from penstock.core.event import Event, EventBatch, Part, PartColumn, event_type
from penstock.core.ledger import Account, Counter, Entry, Ledger, Remark
from penstock.core.message import NO_METADATA, Kind, Message
from penstock.core.module_geometry import ModuleGeometry
from penstock.core.timestamp import NS_PER_S, Timestamp

__all__ = [
    "NO_METADATA",
    "NS_PER_S",
    "Account",
    "Block",
    "Counter",
    "DetectorImage",
    "Entry",
    "Event",
    "EventBatch",
    "Kind",
    "Ledger",
    "Message",
    "ModuleGeometry",
    "Part",
    "PartColumn",
    "RaggedColumn",
    "Remark",
    "Rows",
    "Timestamp",
    "event_type",
]
