"""A PVAccess server for tests, in a process of its own: it says what it is told to by its standard input.

Each line is a JSON list: a process variable and what it says next. ``image``: ``[id, time in s, codec or "", rows]``,
where rows need not be said; ``current``, ``state``, ``trace``: a value. An empty list is answered by a line, so that
whoever waits for it knows what has been said.
"""

import json
import sys
from typing import Any

import numpy as np
from p4p.nt import NTEnum, NTNDArray, NTScalar
from p4p.server import Server, StaticProvider
from p4p.server.thread import SharedPV

IMAGES = NTNDArray()
SHAPE = (2, 3)


def image(number: int, time_s: float, codec: str, rows: int = SHAPE[0]) -> Any:
    """Return an image full of its number, or one that says it is compressed."""
    pixels = np.full((rows, SHAPE[1]), number % 2**16, "u2")
    value = IMAGES.wrap(pixels, attrib={"exposure": 0.5, "motor": "sx"})
    value["codec"] = {"name": codec, "parameters": 6}
    value["uniqueId"] = number
    value["timeStamp"] = value["dataTimeStamp"] = {
        "secondsPastEpoch": int(time_s),
        "nanoseconds": int(time_s % 1 * 1e9),
    }
    if codec:
        value["value"] = "ubyteValue", np.frombuffer(b"packed", "u1")
        value["compressedSize"] = value["value"].nbytes
    return value


def empty() -> Any:
    """Return what areaDetector says before the first image."""
    return IMAGES.type()


def answer(word: str) -> None:
    sys.stdout.write(word + "\n")
    sys.stdout.flush()


def main(port: str) -> None:
    current, state, trace = NTScalar("d", display=True), NTEnum(), NTScalar("ad")
    pvs = {
        "image": SharedPV(initial=empty()),
        "current": SharedPV(nt=current, initial=1.5),
        "state": SharedPV(nt=state, initial={"index": 0, "choices": ["closed", "open"]}),
        "trace": SharedPV(nt=trace, initial=np.zeros(3)),
    }
    provider = StaticProvider("test")
    for name, pv in pvs.items():
        provider.add(name, pv)
    conf = {
        "EPICS_PVAS_INTF_ADDR_LIST": "127.0.0.1",
        "EPICS_PVAS_SERVER_PORT": "0",
        "EPICS_PVAS_BROADCAST_PORT": port,
        "EPICS_PVAS_AUTO_BEACON_ADDR_LIST": "NO",
        "EPICS_PVAS_BEACON_ADDR_LIST": "127.0.0.1",
    }
    with Server(providers=[provider], conf=conf, useenv=False):
        answer("ready")
        for line in sys.stdin:
            said = json.loads(line)
            if not said:
                answer("said")
                continue
            name, value = said
            match name:
                case "image":
                    pvs[name].post(image(*value))
                case "state":
                    pvs[name].post(value)
                case "current":
                    pvs[name].post(value, timestamp=(1_700_000_000, 5))
                case "trace":
                    pvs[name].post(np.array(value))


if __name__ == "__main__":
    main(sys.argv[1])
