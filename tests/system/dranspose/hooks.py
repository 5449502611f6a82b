# mypy: ignore-errors
"""Classes as users of dranspose write them, for tests that make them themselves."""

import time
from contextlib import contextmanager

from dranspose.parameters import FloatParameter, IntParameter

calls = []


class Worker:
    @staticmethod
    def describe_parameters():
        return [IntParameter(name="roi.first", default=2), FloatParameter(name="gain", default=1.5)]

    def __init__(self, parameters, context, state):
        calls.append(("made", state.name, parameters["roi.first"].value, parameters["offset"].value))
        context["socket"] = print
        context["scans"] = context.get("scans", 0) + 1

    def get_tick_interval(self, parameters):
        return 0.02

    def process_event(self, event, parameters, tick=False):
        time.sleep(0.002)
        return {"n": event.event_number, "tick": tick, "gain": parameters["gain"].value, "streams": list(event.streams)}

    def finish(self, parameters):
        calls.append(("finish", parameters["gain"].value))

    def close(self, context):
        calls.append(("close", sorted(context)))


class Old:
    """Of the days before ticks, without any other hook."""

    def __init__(self, **kwargs):
        pass

    def process_event(self, event, parameters=None):
        return event.event_number


class Reducer:
    @staticmethod
    def describe_parameters():
        return [FloatParameter(name="offset", default=0.5)]

    def __init__(self, **kwargs):
        self.publish = {"n": [], "ticks": [], "locked": 0, "_attrs": {"NX_class": "NXroot"}}
        self.results = []

    @property
    @contextmanager
    def publish_rlock(self):
        self.publish["locked"] += 1
        yield

    def process_result(self, result, parameters):
        self.results.append(result)
        self.publish["n"].append(result.event_number)
        if isinstance(result.payload, dict):
            self.publish["ticks"].append(result.payload["tick"])
            self.publish["offset"] = parameters["offset"].value

    def timer(self, parameters):
        self.publish["timer"] = self.publish.get("timer", 0) + 1
        return 0.01

    def finish(self, parameters):
        self.publish["finished"] = [(), (1, 2)]  # of unequal lengths: cannot be shown
        self.publish["workers"] = sorted({result.worker for result in self.results})
