"""What the tests of pipelines share: a folder to write a pipeline in, and imports that do not outlive their test."""

from collections.abc import Callable
from pathlib import Path

import pytest

from penstock.pipeline.check import Checked, check_file

USER_CODE = """
from penstock.core import Event, Message
from penstock.elements import Sink, Source


class Camera(Source):
    def __init__(self, images: int, rate_hz: float = 50.0):
        self.left = images

    def read(self, now_ns):
        return self.reading([], now_ns, ended=True)


class Writer(Sink):
    def __init__(self, path: str, *, digits: int = 3):
        self.file = path

    def open(self, run): ...

    def write(self, item): ...

    def close(self, ended_well, outcome=""): ...


class Fit:
    def __init__(self, lines=("Fe",), *, roi: float = 5.0):
        self.lines = lines
        self.roi = roi

    def process(self, event: Event):
        return {"is_hit": True}


class Total:
    def __init__(self):
        self.views = {}

    def reduce(self, value):
        self.views["n"] = value


def brightness(message: Message):
    return 1.0


def scaled(item, factor):
    return item


def either(item, factor=1):
    return item


def numbers():
    yield 1
"""

Write = Callable[..., Path]
Check = Callable[..., Checked]


@pytest.fixture(autouse=True)
def _imports_end_here(imports_end_here: None) -> None:
    """In each of these tests."""


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a pipeline, beside it the module ``mine`` and whatever else is named."""

    def write(text: str, **others: str) -> Path:
        (tmp_path / "mine.py").write_text(USER_CODE)
        for name, content in others.items():
            (tmp_path / name.replace("__", ".")).write_text(content)
        file = tmp_path / "pipeline.yaml"
        file.write_text(text)
        return file

    return write


@pytest.fixture
def checked(write: Write) -> Check:
    """Write a pipeline and check it on a machine with many cores."""
    return lambda text, **others: check_file(write(text, **others), environ={}, cores=1000)
