"""What tests of the live page share: pipelines that are served, and ways to read what stands on the screen."""

import re
import shutil
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from pictures.browser import Browser, Shown, what_is_missing
from tests.system import page_code
from tests.system.commands import Process, started

__all__ = [
    "DAY",
    "LOOKS",
    "Served",
    "browser_or_skip",
    "free_port",
    "is_free",
    "is_page_built",
    "numbers",
    "read_at",
    "served",
]

LOOKS = """
name: looks
sources:
  clock: {use: page_code:Ticks, rate_hz: 20}
stages:
  work: {from: clock, map: page_code:worked, workers: 2}
  look: {from: work, reduce: page_code:Looks}
"""
DAY = """
name: day
sources:
  clock: {use: page_code:Seconds}
stages:
  when: {from: clock, map: page_code:second_of}
  day: {from: when, reduce: page_code:Day}
"""
PAGE = Path(page_code.__file__).parents[2] / "src/penstock/web/ui/index.html"


class Served:
    """A pipeline that is served, asked without the page."""

    def __init__(self, process: Process, address: str) -> None:
        self.process, self.address = process, address

    def get(self, path: str) -> Any:  # whatever the answer is in JSON
        """Return what the interface says."""
        return httpx.get(f"{self.address}/api/v1/{path}", timeout=20).raise_for_status().json()

    def set(self, **values: Any) -> None:  # any parameter's
        """Set parameters of the stage that publishes."""
        wanted = {"values": {f"look.{name}": value for name, value in values.items()}}
        httpx.put(f"{self.address}/api/v1/parameters", json=wanted, timeout=20).raise_for_status()

    def value_of(self, address: str) -> Any:  # whatever type it has
        """Return what a parameter is."""
        return next(each["value"] for each in self.get("parameters")["parameters"] if each["address"] == address)


@contextmanager
def served(
    text: str, folder: Path, *, port: int = 0, environ: Mapping[str, str] | None = None, waits_for: str = ""
) -> Iterator[Served]:
    """Run a pipeline and serve it; ``waits_for`` is a view that must be there."""
    folder.mkdir(exist_ok=True)
    shutil.copy(page_code.__file__, folder)
    (folder / "pipeline.yaml").write_text(text)
    words = ("run", "pipeline.yaml", "--serve", str(port), "--stay", "--quiet")
    with started(*words, folder=folder, environ=environ) as process:
        found = Served(process, process.line("views: ").removeprefix("views: ").strip())
        while waits_for and waits_for not in [view["name"] for view in found.get("views")]:
            pass
        yield found


def browser_or_skip() -> Iterator[Browser]:
    """Start a browser, where there is one and a page to look at."""
    if trouble := what_is_missing():
        pytest.skip(trouble)
    if not is_page_built():
        pytest.skip("the live page is not built; ./dev setup builds it, and says what is missing")
    with Browser() as browser:
        yield browser


def is_page_built() -> bool:
    """Whether it is there to be looked at."""
    return PAGE.is_file()


def free_port() -> int:
    """Return a port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def is_free(port: int) -> bool:
    """Whether nobody listens there any more."""
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def numbers(text: str) -> list[float]:
    """Return all numbers in a text."""
    return [float(each) for each in re.findall(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?", text)]


def read_at(shown: Shown, figure: str, part: str, across: float, down: float) -> tuple[float, float]:
    """Point at a place of a drawing, in shares of its width and height; return where that is on the page."""
    drawn = shown.page.locator(f"figure[aria-label='{figure}'] {part}").first
    while (box := drawn.bounding_box()) is None:  # it is being made anew, of other lines than before
        shown.page.wait_for_timeout(20)
    place = box["x"] + across * box["width"], box["y"] + down * box["height"]
    shown.page.mouse.move(*place)
    return place
