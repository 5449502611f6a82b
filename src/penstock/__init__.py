"""The face of penstock: the names people use, each loaded when it is first asked for.

Nothing of ours is imported at start, so that ``import penstock`` stays quick; no other module imports this one.
``Source`` and ``Sink`` are here what a pipeline in Python is written with; the classes to subclass for a new one are
in ``penstock.elements``.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penstock.client import connect as connect
    from penstock.core.block import Block as Block
    from penstock.core.detector_geometry import DetectorGeometry as DetectorGeometry
    from penstock.core.encoding import Encoding as Encoding
    from penstock.core.event import Event as Event
    from penstock.core.event import EventBatch as EventBatch
    from penstock.core.ledger import Account as Account
    from penstock.core.ledger import Ledger as Ledger
    from penstock.core.message import Kind as Kind
    from penstock.core.message import Message as Message
    from penstock.core.parameter import Section as Section
    from penstock.core.parameter import Unit as Unit
    from penstock.core.result import Result as Result
    from penstock.core.result import ResultBatch as ResultBatch
    from penstock.core.stream_address import StreamAddress as StreamAddress
    from penstock.core.timestamp import Timestamp as Timestamp
    from penstock.errors import PenstockError as PenstockError
    from penstock.formats.poni import read_poni as read_poni
    from penstock.monitor.feedback import feedback as feedback
    from penstock.monitor.notice import notice as notice
    from penstock.pipeline import ByKey as ByKey
    from penstock.pipeline import ByOrder as ByOrder
    from penstock.pipeline import ByTimestamp as ByTimestamp
    from penstock.pipeline import ByTriggerMap as ByTriggerMap
    from penstock.pipeline import Join as Join
    from penstock.pipeline import Map as Map
    from penstock.pipeline import Merge as Merge
    from penstock.pipeline import Pipeline as Pipeline
    from penstock.pipeline import Reduce as Reduce
    from penstock.pipeline import Sink as Sink
    from penstock.pipeline import Source as Source
    from penstock.pipeline import Steps as Steps
    from penstock.pipeline import Use as Use
    from penstock.streams.consumer import AsyncConsumer as AsyncConsumer
    from penstock.streams.consumer import Consumer as Consumer
    from penstock.streams.dataset import Dataset as Dataset
    from penstock.streams.dataset_consumer import AsyncDatasetConsumer as AsyncDatasetConsumer
    from penstock.streams.dataset_consumer import DatasetConsumer as DatasetConsumer
    from penstock.streams.file_exposer import FileExposer as FileExposer
    from penstock.streams.group_consumer import AsyncGroupConsumer as AsyncGroupConsumer
    from penstock.streams.group_consumer import GroupConsumer as GroupConsumer
    from penstock.streams.open_store import open_async_store as open_async_store
    from penstock.streams.open_store import open_store as open_store
    from penstock.streams.producer import AsyncProducer as AsyncProducer
    from penstock.streams.producer import Producer as Producer
    from penstock.streams.receipts import Outcome as Outcome
    from penstock.streams.receipts import Receipt as Receipt
    from penstock.streams.store import StreamInfo as StreamInfo
    from penstock.streams.store import StreamState as StreamState
    from penstock.views import ArrayView as ArrayView
    from penstock.views import Axis as Axis

__version__ = "0.1.0.dev0"

_HOMES = {
    "Account": "penstock.core.ledger",
    "ArrayView": "penstock.views",
    "AsyncConsumer": "penstock.streams.consumer",
    "AsyncDatasetConsumer": "penstock.streams.dataset_consumer",
    "AsyncGroupConsumer": "penstock.streams.group_consumer",
    "AsyncProducer": "penstock.streams.producer",
    "Axis": "penstock.views",
    "Block": "penstock.core.block",
    "ByKey": "penstock.pipeline",
    "ByOrder": "penstock.pipeline",
    "ByTimestamp": "penstock.pipeline",
    "ByTriggerMap": "penstock.pipeline",
    "Consumer": "penstock.streams.consumer",
    "Dataset": "penstock.streams.dataset",
    "DatasetConsumer": "penstock.streams.dataset_consumer",
    "DetectorGeometry": "penstock.core.detector_geometry",
    "Encoding": "penstock.core.encoding",
    "Event": "penstock.core.event",
    "EventBatch": "penstock.core.event",
    "FileExposer": "penstock.streams.file_exposer",
    "GroupConsumer": "penstock.streams.group_consumer",
    "Join": "penstock.pipeline",
    "Kind": "penstock.core.message",
    "Ledger": "penstock.core.ledger",
    "Map": "penstock.pipeline",
    "Merge": "penstock.pipeline",
    "Message": "penstock.core.message",
    "Outcome": "penstock.streams.receipts",
    "PenstockError": "penstock.errors",
    "Pipeline": "penstock.pipeline",
    "Producer": "penstock.streams.producer",
    "Receipt": "penstock.streams.receipts",
    "Reduce": "penstock.pipeline",
    "Result": "penstock.core.result",
    "ResultBatch": "penstock.core.result",
    "Sink": "penstock.pipeline",
    "Source": "penstock.pipeline",
    "Steps": "penstock.pipeline",
    "StreamAddress": "penstock.core.stream_address",
    "StreamInfo": "penstock.streams.store",
    "StreamState": "penstock.streams.store",
    "Timestamp": "penstock.core.timestamp",
    "Section": "penstock.core.parameter",
    "Unit": "penstock.core.parameter",
    "Use": "penstock.pipeline",
    "connect": "penstock.client",
    "feedback": "penstock.monitor.feedback",
    "notice": "penstock.monitor.notice",
    "open_async_store": "penstock.streams.open_store",
    "open_store": "penstock.streams.open_store",
    "read_poni": "penstock.formats.poni",
}
"""Where each name lives."""

__all__ = [  # noqa: PLE0604  # every name is a text
    "__version__",
    *_HOMES,
]


def __getattr__(name: str) -> Any:  # Any: whatever the name stands for
    try:
        home = _HOMES[name]
    except KeyError:
        raise AttributeError(f"penstock has no {name!r}; it has {', '.join(sorted(_HOMES))}") from None
    found = getattr(import_module(home), name)
    globals()[name] = found  # the next look-up no longer comes here
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
