# mypy: ignore-errors
"""Classes as users of dranspose write them: ``dranspose`` is no package of anybody's here."""

import os
import time

import numpy as np
from dranspose.data.stream1 import Stream1Data, Stream1End, Stream1Start
from dranspose.event import EventData, InternalWorkerMessage, ResultData
from dranspose.middlewares.stream1 import parse
from dranspose.parameters import BinaryParameter, FloatParameter, IntParameter, StrParameter
from dranspose.protocol import ParameterName, ReducerState, StreamName, WorkerState, WorkParameter


class RingWorker:
    @staticmethod
    def describe_parameters():
        return [IntParameter(name=ParameterName("row"), default=3, description="of the image")]

    def __init__(self, parameters=None, context=None, state: WorkerState | None = None, **kwargs):
        self.state = state
        context["scans"] = context.get("scans", 0) + 1
        self.context = context

    def process_event(self, event: EventData, parameters: dict[ParameterName, WorkParameter], tick=False):
        stream = event.streams.get(StreamName("xrd"))
        if stream is None:
            return None
        assert stream.typ == "STINS"
        packet = parse(stream)
        if isinstance(packet, Stream1Start):
            self.started = True
            return packet
        assert self.started  # also in a worker that has taken the place of another
        if isinstance(packet, Stream1End):
            return {"end": self.state.name, "scans": self.context["scans"]}
        if packet.data[0, 0] == 1000:
            os.kill(os.getpid(), 9)
        if packet.data[0, 0] == 2000:
            raise ValueError("bad frame")
        time.sleep(parameters["sleep"].value)
        assert stream.length == 2
        row = packet.data[parameters[ParameterName("row")].value]
        return {"frame": packet.frame, "sum": packet.data.sum(), "row": row, "other": sorted(event.streams)}


class RingReducer:
    @staticmethod
    def describe_parameters():
        return [
            FloatParameter(name="scale", default=2.0),
            FloatParameter(name="sleep"),
            StrParameter(name="title", default="rings"),
            BinaryParameter(name="mask"),
        ]

    def __init__(self, state: ReducerState, **kwargs):
        self.publish = {
            "title_attrs": {"NX_class": "NXdata"},
            "image": {"sums": [], "last": np.zeros(10), 5: "five", "function": print},
            "frames": [],
            "starts": [],
            "ends": [],
            "scans": [],
        }

    def process_result(self, result: ResultData, parameters):
        payload = result.payload
        if isinstance(payload, Stream1Start):
            self.publish["starts"].append(payload.filename)
        elif "end" in payload:
            self.publish["ends"].append(payload["end"])
            self.publish["scans"].append(payload["scans"])
        else:
            assert len(result.parameters_hash) == 64
            self.publish["frames"].append(payload["frame"])
            self.publish["image"]["sums"].append(payload["sum"] * parameters["scale"].value)
            self.publish["image"]["last"] = payload["row"]

    def timer(self, parameters):
        self.publish["timed"] = self.publish.get("timed", 0) + 1
        return 0.01

    def finish(self, parameters=None):
        self.publish["finished"] = parameters["title"].value


class RingSource:
    def get_source_generators(self):
        return [self.images(), self.slow()]

    def images(self):
        yield InternalWorkerMessage(
            event_number=0, streams={"xrd": Stream1Start(filename="a", msg_number=0).to_stream_data()}
        )
        for frame in range(6):
            pixels = np.full((10, 10), frame, np.uint16)
            image = Stream1Data(
                msg_number=frame + 1, frame=frame, shape=pixels.shape, type="uint16", compression="none", data=pixels
            )
            yield InternalWorkerMessage(event_number=frame + 1, streams={"xrd": image.to_stream_data()})
        yield InternalWorkerMessage(event_number=7, streams={"xrd": Stream1End(msg_number=7).to_stream_data()})

    def slow(self):
        for number in (0, 3, 6):
            yield InternalWorkerMessage(
                event_number=number, streams={"slow": Stream1End(msg_number=number).to_stream_data()}
            )
