"""A RunEngine for tests, in a process of its own, with detectors of ophyd that do not exist.

Each line of standard input is a command: ``hello WORD`` publishes a start alone, ``scan N`` and ``images N`` run a
plan. Each is answered by a line. Or, given two ports, it is the proxy between RunEngines and those who listen.
"""

import pickle
import sys
from typing import Any

from bluesky.callbacks.zmq import Proxy, Publisher


def answer(word: str) -> None:
    sys.stdout.write(word + "\n")
    sys.stdout.flush()


def serve(into: str, out: str) -> None:
    proxy: Any = Proxy(f"tcp://127.0.0.1:{into}", f"tcp://127.0.0.1:{out}")
    answer("ready")
    proxy.start()


def run(into: str, serializer: str) -> None:
    from bluesky import RunEngine
    from bluesky.plans import count, scan
    from bluesky.preprocessors import SupplementalData
    from ophyd.sim import det, img, motor

    write: Any = pickle.dumps
    if serializer == "msgpack":
        import msgpack_numpy

        write = msgpack_numpy.dumps
    publish = Publisher(f"127.0.0.1:{into}", serializer=write)
    baseline: Any = SupplementalData
    engine: Any = RunEngine({"beamline": "none"})
    engine.preprocessors.append(baseline(baseline=[motor]))
    engine.subscribe(publish)
    answer("ready")
    for line in sys.stdin:
        match line.split():
            case ["hello", word]:
                publish("start", {"uid": "hello", "time": 0.0, "word": word})
            case ["scan", points]:
                engine(scan([det], motor, -1, 1, int(points)), sample="iron")
            case ["images", points]:  # which img writes where temporary files lie
                engine(count([img], int(points)))
        answer("done")


if __name__ == "__main__":
    serve(*sys.argv[2:]) if sys.argv[1] == "proxy" else run(*sys.argv[2:])
