"""A RunEngine, in a process of its own, whose scans begin runs of a pipeline; it prints what became of them."""

import json
import sys
from functools import partial
from typing import Any

import zmq

from penstock.compat.bluesky import Scans


def main(address: str, judged: str) -> None:
    from bluesky import RunEngine
    from bluesky.plans import count, scan
    from ophyd.sim import det, motor

    engine: Any = RunEngine({})
    scans = Scans(address, values=lambda start: {"add.by": start["num_points"]}, must_run=True)
    names: list[Any] = []
    subscribed = engine.subscribe(scans)
    engine(scan([det], motor, -1, 1, 4), sample="iron")
    names.append(scans.run)
    engine.unsubscribe(subscribed)
    engine(scans.around(count([det], 7)))
    names.append(scans.run)
    engine(count([det], 2))  # nobody listens any more
    nowhere = Scans("http://127.0.0.1:9")
    engine(nowhere.around(count([det], 1)))
    try:
        engine(Scans("http://127.0.0.1:9", must_run=True).around(count([det], 1)))
    except Exception as error:  # noqa: BLE001 - whatever a RunEngine makes of it
        names.append(type(error).__name__)
    names.append(obeying(engine, address, judged))
    sys.stdout.write(json.dumps(names))


def obeying(engine: Any, address: str, judged: str) -> dict[str, Any]:
    """Make a scan that measures each point until the analysis has enough of it, and ends when it has enough of all."""
    from bluesky.plan_stubs import one_nd_step
    from bluesky.plans import scan
    from ophyd.sim import det, motor

    scans = Scans(address, must_run=True)
    readings: list[float] = []
    stops: list[Any] = []
    with zmq.Context() as context, context.socket(zmq.PUSH) as socket:
        socket.bind(judged)

        def watch(name: str, document: Any) -> None:
            if name == "event":
                readings.append(float(document["data"]["motor"]))
                socket.send_json({"x": readings[-1], "event": document["seq_num"] - 1})
            elif name == "stop":
                stops.append(document)

        engine.subscribe(watch)
        reading = partial(scans.measure_until, most=100, settle_s=0.05)
        plan = scan([det], motor, -1, 3, 5, per_step=partial(one_nd_step, take_reading=reading))
        engine(scans.around(scans.obeying(plan)))
        socket.linger = 0
    (stop,) = stops
    said = [(each.action, each.who) for each in scans.feedback]
    return {"readings": readings, "exit": stop["exit_status"], "said": said, "run": scans.run, "state": engine.state}


if __name__ == "__main__":
    main(*sys.argv[1:])
