"""A scan of simulated instruments for tests: each a process, the run another, and what should come out of it."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import msgspec
import numpy as np
from numpy.typing import NDArray

from penstock.core import Block, Kind
from penstock.elements.source import Source
from penstock.pipeline.registry import Registry
from penstock.simulators.faults import Faults, Injector, Send
from penstock.simulators.stins import StinsSimulator
from penstock.simulators.xrf_scan import XrfScan
from tests.system.commands import Process, Said, assert_adds_up, assert_speaks_of_the_users_world, started

SEED = 7
CODE = """
import numpy as np
from penstock import Event, Result


def measure(event: Event) -> list[float] | None:
    if any(event[name] is None for name in ("xspress3", "pandabox", "stins")):
        return None
    row = event["pandabox"].array
    photons = int(event["xspress3"].array.sum())
    return [float(row["INENC1.VAL.Mean"]), float(row["INENC2.VAL.Mean"]), photons, int(event["stins"].array.sum())]


class Table:
    def __init__(self):
        self._rows = []

    @property
    def views(self):
        return {"rows": np.array(self._rows, float).reshape(-1, 5)}

    def checkpoint(self):
        return self._rows

    def restore(self, rows):
        self._rows = rows

    def reduce(self, result: Result):
        self._rows.append([result.number, *result.value])
"""


ONE_OF_EACH = ("pandabox", "stins", "xspress3")
"""A simulated instrument for each way to travel: TCP, push, and publish."""


def opened(name: str, address: str) -> Source:
    source: Source = Registry().find("sources", name).target(address)
    source.stream = "it"
    source.open()
    return source


def rows_of(blocks: list[Block]) -> int:
    return sum(len(block) for block in blocks if block.kind is Kind.DATA)


@contextmanager
def simulating(folder: Path, name: str, *words: str) -> Iterator[tuple[Process, str]]:
    """Start a simulated instrument; give it and its address."""
    with started("sim", name, "--json", "--seed", str(SEED), *words, folder=folder) as process:
        yield process, json.loads(process.line('{"instrument"'))["address"]


def ended_with(process: Process) -> dict[str, Any]:
    """Return the report of a simulated instrument that has come to its end."""
    said = process.end()
    assert_speaks_of_the_users_world(said)
    report: dict[str, Any] = json.loads(said.out.splitlines()[-1])
    return {**report, "code": said.code}


@dataclass(kw_only=True)
class SimulatedScan:
    """Three instruments and a run that joins them point by point."""

    folder: Path
    rows: int
    columns: int
    words: dict[str, list[str]] = field(default_factory=dict)
    """Further words of each instrument's command."""
    reorder: int = 0
    reports: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What each instrument says at the end."""

    @property
    def points(self) -> int:
        """How many there are."""
        return self.rows * self.columns

    def run(self, *words: str) -> Said:
        """Run everything to its end, and see that every book adds up."""
        names = ("xspress3", "pandabox", "stins")
        with ExitStack() as stack:
            mesh = f"{self.rows}x{self.columns}"
            processes = {
                name: stack.enter_context(
                    simulating(self.folder, name, "--points", mesh, *words, *self.words.get(name, []))
                )
                for name in names
            }
            self._write({name: {"use": name, "connect": address} for name, (_, address) in processes.items()})
            line = ("run", "pipeline.yaml", "--run", "r1", "--report", "report.json")
            with started(*line, folder=self.folder) as process:
                said = process.end(self.folder / "report.json")
            self.reports = {name: ended_with(process) for name, (process, _) in processes.items()}
        assert_speaks_of_the_users_world(said)
        assert_adds_up(said)
        return said

    def table(self) -> NDArray[np.float64]:
        """Return what was measured: (n, 5), number of the event, y and x in µm, photons, counts of the image."""
        with h5py.File(self.folder / "out" / "r1.h5") as file:
            rows: NDArray[np.float64] = file["rows"][()]
        return rows

    def truth(self) -> NDArray[np.float64]:
        """Return the same of the scan itself, of every point."""
        scan = XrfScan(self.rows, self.columns, SEED)
        camera = StinsSimulator(scan)
        return np.array(
            [[n, *scan.position(n), scan.spectrum(n).sum(), camera.image(n).sum()] for n in range(self.points)], float
        )

    def arriving(self, name: str, faults: str) -> set[int]:
        """Return the points of which an instrument's frame arrives whole, at least once."""
        injector = Injector(Faults.parse(faults), SEED, name)
        frames = [[[b"whole"]]] * self.points
        done = [each for n, frame in enumerate(frames) for each in injector.feed(n, frame)]
        sent = [each for each in (*done, *injector.finish()) if isinstance(each, Send)]
        return {each.point for each in sent if each.packets == [[b"whole"]]}

    def _write(self, sources: dict[str, Any]) -> None:
        cells = {"events": self.points}
        by = {"trigger-map": {"map": dict.fromkeys(sources, cells), "reorder": self.reorder}}
        tree = {
            "name": "simulated",
            "sources": sources,
            "events": {"point": {"join": list(sources), "by": by, "wait_s": 25}},
            "stages": {
                "measure": {"from": "point", "map": "code:measure"},
                "table": {"from": "measure", "reduce": "code:Table"},
            },
            "sinks": {"file": {"use": "hdf5", "from": "table", "path": "out/{run}.h5"}},
        }
        self.folder.joinpath("code.py").write_text(CODE)
        self.folder.joinpath("pipeline.yaml").write_bytes(msgspec.json.format(msgspec.json.encode(tree)))
