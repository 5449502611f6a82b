"""The registry: what a name in a pipeline stands for.

Built-ins are a table of import paths, so that naming one costs one import and listing all costs none. Entry points of
other packages are read only when a name is not built in.
"""

import importlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Final, Literal

from penstock.core.suggest import did_you_mean
from penstock.elements.user_modules import find_object
from penstock.errors import CheckError, NotBuiltYetError, Problem
from penstock.pipeline.planned_names import PLANNED

__all__ = ["BUILT_IN", "KINDS", "Found", "Kind", "Known", "PlannedTarget", "Registry"]

Kind = Literal["sources", "steps", "workers", "reducers", "sinks"]
KINDS: Final[tuple[Kind, ...]] = ("sources", "steps", "workers", "reducers", "sinks")

BUILT_IN: Final[Mapping[str, Mapping[str, tuple[str, str]]]] = {
    "sources": {
        "albaem": ("penstock.elements.sources.albaem:AlbaemSource", "AlbaEM electrometers, over ZeroMQ"),
        "bluesky": ("penstock.elements.sources.bluesky:BlueskySource", "documents of a Bluesky RunEngine, over ZeroMQ"),
        "contrast": (
            "penstock.elements.sources.contrast:ContrastSource",
            "the Contrast orchestrator's records, over ZeroMQ",
        ),
        "csv": ("penstock.elements.sources.csv:csv", "rows of a table of comma-separated values, as mappings"),
        "dectris": (
            "penstock.elements.sources.dectris:DectrisSource",
            "DECTRIS stream v2 images with all their channels, over ZeroMQ",
        ),
        "eiger": ("penstock.elements.sources.eiger:EigerSource", "Eiger stream v1 images, over ZeroMQ"),
        "ess": ("penstock.elements.sources.ess:EssSource", "neutrons, values, images and runs of the ESS, over Kafka"),
        "every": ("penstock.elements.sources.every:Every", "one item at every interval"),
        "files": ("penstock.elements.sources.files:Files", "a list of files, or patterns, each opened into many items"),
        "folder": (
            "penstock.elements.sources.folder:Folder",
            "files that appear in watched folders, each opened into many items",
        ),
        "hdf5": ("penstock.elements.sources.hdf5:Hdf5Source", "rows of an HDF5 or NeXus file, at a chosen rate"),
        "ingester-dump": (
            "penstock.elements.sources.ingester_dump:IngesterDumpSource",
            "one stream of what a dranspose ingester dumped, from a file",
        ),
        "json-lines": ("penstock.elements.sources.json_lines:json_lines", "a file of one JSON value a line"),
        "lecroy": ("penstock.elements.sources.lecroy:LecroySource", "traces of LeCroy oscilloscopes, over ZeroMQ"),
        "lines": ("penstock.elements.sources.lines:lines", "the lines of a text, also of one that grows"),
        "numbers": ("penstock.elements.sources.numbers:numbers", "whole numbers in a row, to try a pipeline"),
        "hopskotch": ("penstock.elements.sources.hopskotch:HopskotchSource", "messages of Hopskotch topics"),
        "kafka": (
            "penstock.elements.sources.kafka:KafkaSource",
            "records of Kafka topics",
        ),
        "mqtt": ("penstock.elements.sources.mqtt:MqttSource", "what is published on topics of an MQTT broker"),
        "pandabox": ("penstock.elements.sources.pandabox:PandaboxSource", "PandABox position captures, over TCP"),
        "pandabox-framed": (
            "penstock.elements.sources.pandabox:PandaboxFramedSource",
            "PandABox position captures, over TCP in binary frames",
        ),
        "pandabox-unframed": (
            "penstock.elements.sources.pandabox:PandaboxUnframedSource",
            "one PandABox position capture, over TCP as bare bytes",
        ),
        "pandabox-zmq": (
            "penstock.elements.sources.pandabox_zmq:PandaboxZmqSource",
            "PandABox position captures, over ZeroMQ",
        ),
        "pv": ("penstock.elements.sources.pv:PvSource", "plain EPICS process variables"),
        "pva": ("penstock.elements.sources.pva:PvaImageSource", "EPICS images (NTNDArray), over PVAccess"),
        "recording": (
            "penstock.elements.sources.recording:RecordingSource",
            "a recording of any instrument, from a file",
        ),
        "sardana": ("penstock.elements.sources.sardana:SardanaSource", "Sardana's scan records, over HTTP"),
        "stream": ("penstock.elements.sources.stream:StreamSource", "a durable stream, followed until it ends"),
        "stins": ("penstock.elements.sources.stins:StinsSource", "STINS images, over ZeroMQ"),
        "tango": ("penstock.elements.sources.tango:TangoSource", "attributes of a Tango device, by events or polled"),
        "text-arrays": (
            "penstock.elements.sources.text_arrays:text_arrays",
            "columns of numbers in a text, as arrays of so many rows",
        ),
        "xspress3": ("penstock.elements.sources.xspress3:Xspress3Source", "Xspress3 spectra, over ZeroMQ"),
        "zmq-pull": ("penstock.elements.sources.zmq_pull:ZmqPullSource", "items pushed to a ZeroMQ socket"),
        "zmq-sub": ("penstock.elements.sources.zmq_sub:ZmqSubSource", "items published on a ZeroMQ socket"),
    },
    "steps": {
        "assemble": (
            "penstock.elements.steps.assemble:Assemble",
            "puts the modules of a frame that is one stack where they lie",
        ),
        "batch": ("penstock.elements.steps.batch:batch", "gathers items into lists"),
        "bin": ("penstock.elements.steps.bin:Bin", "sums neighbouring pixels"),
        "command": ("penstock.elements.steps.command:Command", "what a program says to each item"),
        "correct": ("penstock.elements.steps.correct:Correct", "corrects images by dark, flat field and mask"),
        "count": ("penstock.elements.steps.count:Count", "counts the items"),
        "deduplicate": ("penstock.elements.steps.deduplicate:Deduplicate", "lets each value pass once"),
        "every": ("penstock.elements.steps.every:Every", "lets one item pass at every interval, or every n-th"),
        "fields": ("penstock.elements.steps.fields:Fields", "chooses, renames and computes fields"),
        "filter": ("penstock.elements.steps.filter:Filter", "lets items pass for which an expression is true"),
        "flatten": ("penstock.elements.steps.flatten:Flatten", "gives what is in a list one by one"),
        "geometry": (
            "penstock.elements.steps.geometry:Geometry",
            "corrects images by where their pixels lie, seen from the sample",
        ),
        "latest": ("penstock.elements.steps.latest:Latest", "adds the latest values of a slow stream"),
        "log": ("penstock.elements.steps.log:Log", "writes a log line for each item"),
        "modules": ("penstock.elements.modules:Modules", "puts the modules of a detector together behind a join"),
        "open-files": (
            "penstock.elements.steps.open_files:OpenFiles",
            "opens files whose names arrive into many items",
        ),
        "print": ("penstock.elements.steps.print:Print", "prints each item and passes it on"),
        "rate": ("penstock.elements.steps.rate:Rate", "turns items into their rate"),
        "roi": ("penstock.elements.steps.roi:Roi", "cuts a region out of an array"),
        "statistics": ("penstock.elements.steps.statistics:Statistics", "running mean, spread and extremes"),
        "meter": ("penstock.elements.steps.meter:Meter", "shows a value and its rate in the terminal"),
        "program": ("penstock.elements.steps.program:ProgramStep", "gives each item to a program that stays"),
        "progress": ("penstock.elements.steps.progress:Progress", "shows in the terminal how far it is"),
        "threshold": ("penstock.elements.steps.threshold:Threshold", "lets items pass that exceed a value"),
        "throttle": ("penstock.elements.steps.throttle:Throttle", "lets at most so many items pass a second"),
        "window": ("penstock.elements.steps.window:window", "gathers the items of a time or of a count"),
    },
    "workers": {
        "keep-events": (
            "penstock.elements.workers.keep_events:KeepEvents",
            "keeps the last events whole, for penstock events",
        ),
        "onnx": ("penstock.elements.workers.onnx:Onnx", "an ONNX model, run over batches of events"),
        "torch": ("penstock.elements.workers.torch:Torch", "a PyTorch model, run over batches of events"),
    },
    "reducers": {},
    "sinks": {
        "command": ("penstock.elements.sinks.command:CommandSink", "starts a program for each item"),
        "csv": ("penstock.elements.sinks.csv:CsvSink", "a table of comma-separated values"),
        "epics": (
            "penstock.elements.sinks.epics:EpicsSink",
            "serves values and views as EPICS process variables",
        ),
        "hdf5": ("penstock.elements.sinks.hdf5:Hdf5Sink", "an HDF5 file"),
        "json-lines": ("penstock.elements.sinks.json_lines:JsonLinesSink", "a file of one JSON value a line"),
        "lines": ("penstock.elements.sinks.lines:LinesSink", "a file of one text a line"),
        "email": ("penstock.elements.sinks.email:EmailSink", "sends an e-mail"),
        "http": ("penstock.elements.sinks.http:HttpSink", "posts items to an address"),
        "hopskotch": ("penstock.elements.sinks.hopskotch:HopskotchSink", "sends to a Hopskotch topic"),
        "kafka": ("penstock.elements.sinks.kafka:KafkaSink", "sends to a Kafka topic"),
        "mqtt": ("penstock.elements.sinks.mqtt:MqttSink", "publishes on an MQTT topic"),
        "nexus": ("penstock.elements.sinks.nexus:NexusSink", "a NeXus file that can be read while it grows"),
        "png": ("penstock.elements.sinks.png:PngSink", "pictures of arrays"),
        "print": ("penstock.elements.sinks.print:PrintSink", "prints what comes"),
        "stream": ("penstock.elements.sinks.stream:StreamSink", "a durable stream, which other pipelines can read"),
        "tango": ("penstock.elements.sinks.tango:TangoSink", "serves values as attributes of a Tango device"),
        "webhook": ("penstock.elements.sinks.webhook:WebhookSink", "posts a short text to a chat or a pager"),
        "websocket": ("penstock.elements.sinks.websocket:WebsocketSink", "sends items to browsers"),
        "zarr": ("penstock.elements.sinks.zarr:ZarrSink", "a Zarr store"),
        "zmq-pub": ("penstock.elements.sinks.zmq_pub:ZmqPubSink", "publishes on a ZeroMQ socket"),
        "zmq-push": ("penstock.elements.sinks.zmq_push:ZmqPushSink", "pushes to a ZeroMQ socket"),
    },
}
"""Kind → name → (import path, one line)."""


@dataclass(frozen=True, slots=True)
class PlannedTarget:
    """Stands where something is known and not built yet; it can be shown and never be called."""

    kind: str
    name: str

    def __call__(self, *_: Any, **__: Any) -> Any:
        """Raise ``NotBuiltYetError``."""
        raise NotBuiltYetError(f"{self.name} is planned, and not built yet")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a name stands for."""

    name: str
    target: Callable[..., Any]
    planned: str = ""
    """What it will be, if it is not built yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A name that can be written, with its one line."""

    kind: str
    name: str
    line: str
    origin: Literal["built in", "entry point", "planned"] = "built in"


def _installed(group: str) -> Mapping[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=group)}


@dataclass(slots=True)
class Registry:
    """Finds what names stand for, for the pipelines of one folder."""

    folder: Path = field(default_factory=Path)
    entry_points: Callable[[str], Mapping[str, EntryPoint]] = field(default=_installed)

    def find(self, kind: Kind, name: str) -> Found:
        """Return what a name stands for.

        Raises
        ------
        CheckError
            With one problem: the name is unknown, or what it names cannot be imported.
        """
        if ":" in name:
            return Found(name=name, target=find_object(name, self.folder))
        for table in _TABLES[kind]:
            if name in BUILT_IN[table]:
                return Found(name=name, target=_load(name, BUILT_IN[table][name][0]))
            if name in PLANNED[table]:
                return Found(name=name, target=PlannedTarget(table, name), planned=PLANNED[table][name])
        for table in _TABLES[kind]:
            installed = self.entry_points(f"penstock.{table}")
            if name in installed:
                return Found(name=name, target=_load(name, installed[name].value))
        raise CheckError(
            [Problem(where=name, text=f'there is no {_SINGULAR[kind]} "{name}"', remedy=self._remedy(kind, name))]
        )

    def known(self, kind: Kind) -> Iterator[Known]:
        """Yield every name of a kind, without importing any."""
        for name, (_, line) in BUILT_IN[kind].items():
            yield Known(kind=kind, name=name, line=line)
        for name, point in self.entry_points(f"penstock.{kind}").items():
            yield Known(kind=kind, name=name, line=point.value, origin="entry point")
        for name, line in PLANNED[kind].items():
            yield Known(kind=kind, name=name, line=line, origin="planned")

    def _remedy(self, kind: Kind, name: str) -> str:
        here = [known.name for table in _TABLES[kind] for known in self.known(table)]
        others = [other for other in KINDS if other not in _TABLES[kind]]
        elsewhere = next((other for other in others if name in {known.name for known in self.known(other)}), None)
        if elsewhere:
            return f"{name} is one of the {elsewhere}"
        return did_you_mean(
            name, here, otherwise="write a name that `penstock list` shows, or module:object for code of your own"
        )


_TABLES: Final[Mapping[Kind, tuple[Kind, ...]]] = {
    "sources": ("sources",),
    "steps": ("steps",),
    "workers": ("workers", "steps"),  # any step can be given to workers: ``map: bin``
    "reducers": ("reducers",),
    "sinks": ("sinks",),
}
_SINGULAR: Final = {"sources": "source", "steps": "step", "workers": "worker", "reducers": "reducer", "sinks": "sink"}


def _load(name: str, path: str) -> Callable[..., Any]:
    module, _, attribute = path.partition(":")
    try:
        target: Callable[..., Any] = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        text = f"{name} cannot be loaded from {path}: {error}"
        raise CheckError(
            [Problem(where=name, text=text, remedy="install what it needs, or mend the installation")]
        ) from error
    return target
