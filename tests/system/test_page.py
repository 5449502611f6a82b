"""The plain page as a browser shows it, of a demo that runs: what is drawn, that it follows, and that nothing fails.

The live one is that of ``test_live_page``.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock.client import connect
from penstock.simulators.xrf_scan import LINES_keV
from pictures.browser import Browser, Shown, what_is_missing
from tests.system.commands import Process, started

VIEWS = [*(f"image/map/{element}" for element in LINES_keV), "image/camera"]
LONG = ("demo", "--points", "41x51", "--rate", "20", "--serve", "0")
"""Nobody looks for as long as this takes for half of the map."""
COLOURS = """
    return [...document.querySelectorAll("figure")].map((figure) => {
      const canvas = figure.querySelector("canvas"), width = canvas.width - 86, middle = canvas.height >> 1;
      const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", {willReadFrequently: true});
      copy.drawImage(canvas, 0, 0);
      const seen = [0, middle].map((top) => {
        const cells = copy.getImageData(0, top, width, middle).data, found = [];
        for (let k = 0; k < cells.length; k += 4) {
          const [r, g, b] = cells.slice(k, k + 3);
          if (Math.max(r, g, b) - Math.min(r, g, b) > 40) found.push(r << 16 | g << 8 | b);
        }
        return found;
      });
      return {name: figure.id.slice("view-".length), upper: seen[0].length, lower: seen[1].length,
              different: new Set(seen.flat()).size};
    })
"""
"""Of each drawing, without the bar beside a map: how much of the upper and of the lower half has a colour, not grey."""
VERSIONS = """
    const text = [...document.querySelectorAll("figcaption")].map((caption) => caption.textContent);
    return text.map((said) => Number(/version ([0-9]+)/.exec(said)?.[1] ?? 0))
"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    if trouble := what_is_missing():
        pytest.skip(trouble)
    with Browser() as browser:
        yield browser


@pytest.fixture
def browser(chromium: Browser) -> Iterator[Shown]:
    with chromium.tab() as tab:
        yield tab


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Process]:
    with started(*LONG, folder=tmp_path) as demo:
        yield demo


def address_of(demo: Process) -> str:
    return demo.line("views: ").removeprefix("views: ").strip()


def wait_until_drawn(browser: Shown) -> list[dict[str, Any]]:
    def found() -> list[dict[str, Any]]:
        drawn: list[dict[str, Any]] = browser.run(COLOURS)
        return drawn

    browser.wait("drawings", lambda: [each["name"] for each in found() if each["different"] > 10] == VIEWS)
    return found()


def wait_until_followed(browser: Shown) -> None:
    """Only what comes over the WebSocket changes a version."""
    before = browser.run(VERSIONS)
    browser.wait("all views follow", lambda: all(b < v for b, v in zip(before, browser.run(VERSIONS), strict=True)))


def formed(browser: Shown) -> int:
    state = browser.run("return document.getElementById('state').textContent")
    found = re.fullmatch(r"([\d,]+) of 2,091 events of point, running", state)
    return int(found[1].replace(",", "")) if found else 0


def test_the_page_lists_the_views_draws_them_and_follows(demo: Process, browser: Shown) -> None:
    browser.open(f"{address_of(demo)}/?plain=1")
    fe, ni, camera = wait_until_drawn(browser)
    assert (fe["upper"], ni["upper"]) == (0, 0), "the first rows of the scan are the lowest of the map"
    assert camera["upper"] > 10_000
    with connect(address_of(demo)) as seen:
        assert list(seen) == VIEWS
    assert browser.run("return document.title") == "demo – penstock"
    assert browser.run("return document.querySelector('canvas').ariaLabel") == "Fe in photons, y in µm, x in µm"

    wait_until_followed(browser)
    before = formed(browser)
    browser.wait("the count of events follows", lambda: formed(browser) > before)
    assert browser.run("return document.querySelectorAll('#edges tr').length") == 1 + 8
    page = browser.run("const page = document.documentElement; return [page.scrollWidth, page.scrollHeight]")
    assert page[0] <= 1366
    assert page[1] <= 700, "it fits a small laptop, but for a line that says why it is plain"
    assert browser.problems() == []


def test_with_a_token_the_page_works_and_without_it_does_not(tmp_path: Path, browser: Shown) -> None:
    with started(*LONG, folder=tmp_path, environ={"PENSTOCK_VIEWER_TOKEN": "one & another"}) as demo:
        address = address_of(demo)
        browser.open(f"{address}/?plain=1")
        assert "a token is needed" in browser.run("return document.body.textContent")
        assert any("401" in problem for problem in browser.problems())

        browser.open(f"{address}/?plain=1&token=one%20%26%20another")
        wait_until_drawn(browser)
        wait_until_followed(browser)
        assert browser.problems() == []


def test_what_goes_wrong_in_a_page_is_noticed(demo: Process, browser: Shown) -> None:
    browser.open(f"{address_of(demo)}/?plain=1")
    assert browser.problems() == []
    for script in ("fetch('/nothing')", "setTimeout(() => nothing())", "new WebSocket('/nothing')"):
        browser.run(script)
        browser.wait(script, lambda: any("nothing" in problem for problem in browser.problems()))
