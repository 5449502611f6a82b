"""A RunEngine, in a process of its own, whose scans begin runs of a pipeline; it prints what became of them."""

import json
import sys
from typing import Any

from penstock.compat.bluesky import Scans


def main(address: str) -> None:
    from bluesky import RunEngine
    from bluesky.plans import count, scan
    from ophyd.sim import det, motor

    engine: Any = RunEngine({})
    scans = Scans(address, values=lambda start: {"add.by": start["num_points"]}, must_run=True)
    names = []
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
    sys.stdout.write(json.dumps(names))


if __name__ == "__main__":
    main(sys.argv[1])
