"""Sources and sinks as a plan asks for them."""

from pathlib import Path
from typing import Any

import pytest

from penstock.elements.sink import RunFacts, Sink
from penstock.elements.source import Reading, Source
from penstock.errors import SinkError, SourceError
from penstock.services.made import made_sink, made_source


class Camera(Source):
    def __init__(self, shape: tuple[int, int], **more: Any) -> None:
        self.got = (shape, more)

    def read(self, now_ns: int) -> Reading:
        return self.reading([], now_ns, ended=True)


class Writer(Sink):
    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()

    def open(self, run: RunFacts) -> None: ...

    def write(self, item: Any) -> None: ...

    def close(self, ended_well: bool, outcome: str = "") -> None: ...


def test_arguments_arrive_as_they_are_annotated() -> None:
    source = made_source(Camera, {"shape": [2, 3], "return": [4, 5]}, "mine:Camera", "cam")
    assert isinstance(source, Camera)
    assert source.got == ((2, 3), {"return": [4, 5]})
    sink = made_sink(Writer, {"folder": "/data"}, "mine:Writer", "out")
    assert isinstance(sink, Writer)
    assert sink.folder == Path("/data")


def test_what_cannot_be_made_names_its_entry() -> None:
    with pytest.raises(SourceError, match=r"sources\.cam: mine:Camera could not be made: TypeError: .*shape"):
        made_source(Camera, {}, "mine:Camera", "cam")
    with pytest.raises(SinkError, match=r"sinks\.out: mine:Camera makes Camera, which is no Sink; subclass Sink"):
        made_sink(Camera, {"shape": [2, 3]}, "mine:Camera", "out")
