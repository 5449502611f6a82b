"""Names and keys that this version knows and does not have: ``check`` says so, ``run`` refuses them."""

from collections.abc import Mapping
from typing import Final

__all__ = ["PLANNED"]

PLANNED: Final[Mapping[str, Mapping[str, str]]] = {
    "sources": {
        "albaem": "AlbaEM electrometers over ZeroMQ",
        "bluesky": "Bluesky documents over ZeroMQ, run start and stop as the bounds of a run",
        "dectris": "DECTRIS stream v2, with its threshold channels",
        "eiger": "the Eiger stream v1 over ZeroMQ",
        "epics": "EPICS process variables, by Channel Access or PVAccess",
        "every": "one item at every interval",
        "files": "a list or folder of files, each opened into many items",
        "folder": "files that appear in watched folders",
        "hdf5": "frames of an HDF5 or NeXus file, at a chosen rate",
        "kafka": "Kafka topics, also with the FlatBuffers schemas of neutron sources",
        "lecroy": "LeCroy oscilloscope traces",
        "ntndarray": "EPICS PVAccess NTNDArray images",
        "pandabox-zmq": "PandABox data over ZeroMQ",
        "sardana": "Sardana scan records over HTTP",
        "tango": "Tango attributes and events",
        "zmq-pull": "items pushed to a ZeroMQ socket",
        "zmq-sub": "items published on a ZeroMQ socket",
    },
    "steps": {
        "batch": "gathers items into lists",
        "bin": "sums neighbouring pixels",
        "correct": "dark, flat and mask corrections",
        "deduplicate": "lets each number pass once",
        "every": "lets one item pass at every interval",
        "fields": "chooses, renames and computes fields of a mapping",
        "filter": "lets items pass for which an expression is true",
        "flatten": "gives the items of a list one by one",
        "latest": "adds the latest value of another stream",
        "log": "writes a log line for each item",
        "meter": "shows the rate in the terminal",
        "progress": "shows a progress bar in the terminal",
        "rate": "turns items into their rate",
        "roi": "cuts a region out of an array",
        "statistics": "running mean, spread and extremes",
        "throttle": "lets at most so many items pass a second",
        "window": "gathers the items of a time or of a count",
    },
    "workers": {
        "onnx": "an ONNX model, run over batches of events",
        "program": "an external program that is given each event over its standard streams",
        "torch": "a PyTorch model, run over batches of events",
    },
    "reducers": {},
    "sinks": {
        "command": "starts a program for each item",
        "csv": "a table of comma-separated values",
        "email": "sends an e-mail",
        "epics": "publishes values as EPICS process variables",
        "hopskotch": "sends to a Hopskotch topic",
        "http": "posts items to an address",
        "json-lines": "a file of one JSON value a line",
        "kafka": "sends to a Kafka topic",
        "lines": "a file of one text a line",
        "mqtt": "publishes on an MQTT topic",
        "nexus": "a NeXus file that can be read while it grows",
        "tango": "publishes values as Tango attributes",
        "webhook": "posts a short text to a chat or a pager",
        "websocket": "sends items to browsers",
        "zarr": "a Zarr store",
        "zmq-pub": "publishes on a ZeroMQ socket",
        "zmq-push": "pushes to a ZeroMQ socket",
    },
}
"""Kind → name → what it will be."""
