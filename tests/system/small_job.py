"""A small job for tests of whole runs: a scan of two instruments, made up, that tests spoil in one place each."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from penstock.formats.recording import encode_record
from penstock.protocols import contrast, stins
from tests.system.commands import Process, Said, assert_adds_up, assert_speaks_of_the_users_world, started

POINTS = 10
PIXELS = np.ones((4, 4), np.uint16)

CODE = """
import numpy as np
from penstock import Event, Result


def count(event: Event) -> int | None:
    image = event["det"]
    return None if image is None else int(image.array.sum())


class Sums:
    def __init__(self):
        self.views = {}

    def reduce(self, result: Result):
        numbers = self.views.get("numbers", np.empty(0, int))
        self.views = {"numbers": np.append(numbers, result.number), "sum": self.views.get("sum", 0) + result.value}
"""


class SmallJob:
    """Two recordings, a trigger map, a file of user code and a pipeline in one folder. Change what you like, then run.

    Point ``n`` counts ``16 n`` photons.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.con = [
            contrast.encode_start(7, description="line"),
            *[contrast.encode_point(0.1 * n, x=float(n)) for n in range(POINTS)],
            contrast.encode_end(7),
        ]
        self.det = [
            stins.encode_start("a.h5"),
            *[stins.encode_image(n, PIXELS * n) for n in range(POINTS)],
            stins.encode_end(msg_number=POINTS + 1),
        ]
        self.sources: dict[str, dict[str, Any]] = {
            "con": {"use": "recording", "file": "con.cbors", "protocol": "contrast"},
            "det": {"use": "recording", "file": "det.cbors", "protocol": "stins"},
        }
        self.join: dict[str, Any] = {
            "join": ["con", "det"],
            "by": {"trigger-map": {"file": "map.json"}},
            "wait_s": 0.3,
        }
        self.stages: dict[str, dict[str, Any]] = {
            "count": {"from": "scan", "map": "code:count"},
            "sums": {"from": "count", "reduce": "code:Sums"},
        }
        self.sinks: dict[str, dict[str, Any]] = {"file": {"use": "hdf5", "from": "sums", "path": "out/{run}.h5"}}
        self.code = CODE
        self.mapped = POINTS
        """Points that the trigger map has."""

    def write(self) -> None:
        """Write all files."""
        for name, packets in (("con", self.con), ("det", self.det)):
            self.folder.joinpath(f"{name}.cbors").write_bytes(b"".join(map(encode_record, packets)))
        points = [[{"constraint": n}] for n in range(self.mapped)]
        spec = {"parts": {"line": {"con": points, "det": points}}, "sequence": ["line"]}
        self.folder.joinpath("map.json").write_bytes(msgspec.json.encode(spec))
        self.folder.joinpath("code.py").write_text(self.code)
        tree = {
            "name": "small", "sources": self.sources, "events": {"scan": self.join}, "stages": self.stages,
            "sinks": self.sinks,
        }  # fmt: skip
        # JSON is YAML too; with sources at its top as in every pipeline file, nothing that reads others is loaded.
        text = msgspec.json.format(msgspec.json.encode(tree)).replace(b'\n  "sources": ', b"\nsources: ", 1)
        self.folder.joinpath("pipeline.yaml").write_bytes(text)

    def start(self, *words: str, environ: Mapping[str, str] | None = None) -> AbstractContextManager[Process]:
        """Start ``penstock run`` of what is written."""
        line = ("run", "pipeline.yaml", "--run", "r1", "--report", "report.json", *words)
        return started(*line, folder=self.folder, environ=environ)

    def run(self, *words: str) -> Said:
        """Write everything, run it, and see that what is said adds up."""
        self.write()
        with self.start(*words) as process:
            said = process.end(self.folder / "report.json")
        assert_speaks_of_the_users_world(said)
        if said.report.get("edges"):
            assert_adds_up(said)
        else:
            assert said.code in (1, 2)
        return said

    @property
    def outputs(self) -> list[str]:
        """Names of the output files."""
        return sorted(path.name for path in self.folder.joinpath("out").glob("*"))
