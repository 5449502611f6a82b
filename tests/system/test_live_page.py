"""The live page in a real browser, of pipelines that run: what it shows is so, and what it sets is set.

What must be on the screen follows from one parameter; see ``page_code``.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Locator

from pictures.browser import LONGEST_S, Browser, Shown
from pictures.plain_tab import PlainTab
from tests.system import page_code
from tests.system.looked_at import DAY, LOOKS, Served, browser_or_skip, free_port, is_free, numbers, read_at, served
from tests.system.page_code import CHANNELS, DAY_S, IMAGE, ENERGY_keV, STEP_um

browser = pytest.fixture(scope="module")(browser_or_skip)


@pytest.fixture(scope="module")
def looks(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(LOOKS, tmp_path_factory.mktemp("looks"), waits_for="look/level") as looks:
        yield looks


@pytest.fixture
def tab(browser: Browser) -> Iterator[Shown]:
    with browser.tab(1400, 1500) as tab:  # nothing is drawn that is not on the screen
        yield tab


def of(tab: Shown, title: str) -> str:
    """What stands in the plot of this title."""
    return tab.page.locator(f"figure[aria-label='{title}'] .plot").inner_text().strip()


def until(tab: PlainTab, is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LONGEST_S
    while not is_so():
        assert time.monotonic() < deadline, "it did not come to that"
        tab.hear_for(0.05)


def is_quiet(tab: PlainTab, seconds: float) -> bool:
    tab.heard.clear()
    tab.hear_for(seconds)
    return not tab.heard.total()


def plot(tab: Shown, title: str, part: str) -> Locator:
    return tab.page.locator(f"figure[aria-label='{title}'] {part}").first


def curve_is(tab: Shown, title: str, x: NDArray[Any], values: NDArray[Any]) -> None:
    """Hold the curve against values where the cursor is."""
    read_at(tab, title, ".u-over", 0.63, 0.5)
    read = plot(tab, title, ".lines-read")
    tab.wait(f"{title} at the cursor", lambda: len(numbers(read.inner_text())) == 2)
    (k,) = np.flatnonzero(np.isclose(x, numbers(read.inner_text())[0], rtol=1e-4))
    tab.wait(title, lambda: numbers(read.inner_text())[1] == pytest.approx(values[k], rel=1e-4))


def image_is(tab: Shown, title: str, data: list[list[float]]) -> None:
    """Hold the image against values: the range of its colours, and two of its elements."""
    group = plot(tab, title, "[role='group']")
    low, high = data[0][0], data[-1][-1]
    shape = f"an image of {len(data)} × {len(data[0])}, drawn as {len(data) * len(data[0])} elements"
    said = f"{title}: {shape}, colours from {low:g} to {high:g} counts"
    tab.wait("the range of colours", lambda: group.get_attribute("aria-label") == said)
    tip = plot(tab, title, "[class*='tooltip']")
    for across, down in ((0.3, 0.55), (0.8, 0.45)):
        read_at(tab, title, "canvas", across, down)
        tab.wait("the image at the cursor", lambda: len(numbers(tip.inner_text())) == 3)
        x_um, y_um, value = numbers(tip.inner_text())
        assert value == data[round(y_um / STEP_um)][round(x_um / STEP_um)]


def table_is(tab: Shown, title: str, data: list[list[float]]) -> None:
    """Hold the table against values: all of it."""
    rows = tab.page.locator(f"figure[aria-label='{title}'] tbody tr")
    tab.wait("the table", lambda: [numbers(row)[1:] for row in rows.all_inner_texts()] == data)
    heads = tab.page.locator(f"figure[aria-label='{title}'] thead th").all_inner_texts()
    assert heads == ["motor", *CHANNELS]


@pytest.mark.parametrize("level", [2.5, 4.0])
def test_what_is_on_the_screen_is_what_the_pipeline_has(looks: Served, tab: Shown, level: float) -> None:
    tab.open(looks.address)
    tab.wait("a value", lambda: of(tab, "beam").endswith("mA"))
    looks.set(level=level)  # the page follows
    tab.wait("the value", lambda: of(tab, "beam") == f"{level:g} mA")
    tab.wait("the text", lambda: of(tab, "look/says") == f"level {level:g}")
    table_is(tab, "readings", page_code.table_of(level).tolist())
    curve_is(tab, "spectrum", ENERGY_keV, page_code.curve_of(level))
    curve_is(tab, "how often", np.arange(16.0), page_code.bins_of(level))
    data = looks.get("data/look/image?format=json")["data"]
    assert data == page_code.image_of(level).tolist(), "the interface, without a browser"
    image_is(tab, "camera", data)
    frame = page_code.stack_of(level)[-1]
    said = plot(tab, "look/stack", "[role='group']").get_attribute("aria-label")
    assert f"from {frame.min():g} to {frame.max():g}" in str(said)
    assert tab.problems() == []


def test_a_region_that_is_drawn_is_given_to_a_parameter_and_followed(looks: Served, tab: Shown) -> None:
    looks.set(roi=[0, 1, 0, 1], level=2)
    tab.open(f"{looks.address}/#/view/look/image")
    tab.page.get_by_role("button", name="draw region").click()
    entry = tab.page.get_by_label("region: row, to row, from column, to column".replace(", from", ","))

    def is_drawn() -> bool:  # the tool is there a moment after its button was pressed
        read_at(tab, "camera", "canvas", 0.35, 0.6)
        tab.page.mouse.down()
        read_at(tab, "camera", "canvas", 0.6, 0.45)
        tab.page.mouse.up()
        return len(numbers(entry.input_value())) == 4

    tab.wait("the region is written", is_drawn)
    drawn = [int(each) for each in numbers(entry.input_value())]
    assert 0 <= drawn[0] < drawn[1] <= IMAGE[0]
    assert 0 < drawn[2] < drawn[3] < IMAGE[1]

    tab.page.get_by_role("button", name=f"set [{','.join(map(str, drawn))}]").click()
    tab.wait("the parameter is set", lambda: looks.value_of("look.roi") == drawn)
    tab.wait("the page says so", lambda: "look.roi is [" in tab.text())

    tab.page.get_by_label("over time").select_option("mean")
    top, bottom, left, right = drawn
    expected = page_code.image_of(2)[top:bottom, left:right].mean()
    read = plot(tab, "camera", ".lines-read")

    def mean() -> float:
        read_at(tab, "camera", ".u-over", 0.5, 0.5)
        return (numbers(read.inner_text()) or [0.0])[-1]

    tab.wait("the mean of the region over time", lambda: mean() == pytest.approx(expected, rel=1e-4))
    tab.open(f"{looks.address}/#/view/look/roi")
    tab.wait("the pipeline works with it", lambda: of(tab, "look/roi") == f"roi {drawn}")
    assert tab.problems() == []


def test_a_killed_worker_is_shown_by_the_next_question(looks: Served, tab: Shown) -> None:
    """The page asks every second; ./dev bench page says how long all of it takes."""
    tab.open(f"{looks.address}/#/pipeline/work")
    marks = tab.page.locator(".room", has_text="work").locator(".mark", has_text="death")
    tab.wait("the processes", lambda: tab.page.locator(".pipeline-room tbody tr").count() >= 2)
    assert marks.count() == 0
    (process, *_) = looks.get("flow/work")["processes"]
    asked: list[str] = []
    tab.page.on("request", lambda request: asked.append(request.url) if request.url.endswith("/flow") else None)
    os.kill(process["pid"], signal.SIGKILL)
    while not any(each["deaths"] for each in looks.get("flow/work")["processes"]):
        pass
    asked.clear()
    tab.wait("the death is shown", lambda: marks.count() == 1)
    assert len(asked) <= 2, "the next one may have begun while what this one said was drawn"
    assert marks.inner_text() == "1 death"
    tab.wait("how it died", lambda: f"(process {process['pid']}) was killed by SIGKILL" in tab.text())
    tab.wait("there is another one", lambda: all(p["pid"] for p in looks.get("flow/work")["processes"]))


def test_what_is_old_is_said_and_the_page_goes_on_when_the_pipeline_does(browser: Browser, tmp_path: Path) -> None:
    port = free_port()
    with browser.tab() as tab, browser.tab() as other:
        with served(LOOKS, tmp_path / "one", port=port, waits_for="look/level") as looks:
            tab.open(f"{looks.address}/#/view/look/level")
            other.open(f"{looks.address}/#/view/look/says")
            looks.set(level=3)
            tab.wait("the value", lambda: of(tab, "beam") == "3 mA")
            other.wait("the text", lambda: of(other, "look/says") == "level 3")
            status = tab.page.locator("header [role='status']")
            assert status.inner_text() == "live"
            looks.process.process.kill()
            tab.wait("it is said that this is old", lambda: tab.page.locator(".stale[role='alert']").count() == 1)
            assert status.inner_text() == "not connected"
            other.wait("it is said there, too", lambda: other.page.locator(".stale[role='alert']").count() == 1)
            assert (of(tab, "beam"), of(other, "look/says")) == ("3 mA", "level 3"), "what was there stays"
        tab.wait("its port is free", lambda: is_free(port))
        with served(LOOKS.replace("page_code:Looks", "{page_code:Looks: {level: 7}}"), tmp_path / "two", port=port):
            tab.wait("it is live again", lambda: status.inner_text() == "live")
            tab.wait("the new pipeline's value", lambda: of(tab, "beam") == "7 mA")
            assert tab.page.locator(".stale").count() == 0


def test_a_hidden_tab_is_sent_nothing_and_draws_nothing(looks: Served, browser: Browser) -> None:
    with PlainTab(browser.chromium) as tab:
        tab.open(looks.address)
        until(tab, lambda: tab.heard["Network.webSocketFrameReceived"] > 10)
        tab.run("window.frames_ = 0; (function next() { frames_++; requestAnimationFrame(next); })()")
        until(tab, lambda: tab.run("frames_") > 1)
        tab.hide()
        until(tab, lambda: tab.run("document.hidden"))
        until(tab, lambda: is_quiet(tab, 0.5))  # what is under way comes to its end
        before = tab.run("frames_")
        assert is_quiet(tab, 2.5), tab.heard  # longer than the page waits between two questions
        assert tab.run("frames_") == before
        tab.show()
        until(tab, lambda: tab.heard["Network.webSocketFrameReceived"] > 10)


def test_a_day_of_seconds_leaves_the_page_as_small_as_it_was(browser: Browser, tmp_path: Path) -> None:
    with (
        served(DAY, tmp_path / "day", waits_for="day/pressure") as day,
        browser.tab(locale="en-GB", timezone_id="UTC") as tab,
    ):
        came: list[int] = []
        tab.page.on("websocket", lambda socket: socket.on("framereceived", lambda data: came.append(len(data))))
        tab.open(f"{day.address}/#/view/day/pressure")
        tab.wait("the first of it is drawn", lambda: tab.page.locator(".u-over").count() == 1)
        devtools = tab.page.context.new_cdp_session(tab.page)

        def heap_bytes() -> int:
            devtools.send("HeapProfiler.collectGarbage")
            used: int = devtools.send("Runtime.getHeapUsage")["usedSize"]
            return used

        before = heap_bytes()
        tab.wait("the day is over", lambda: day.get("views/day/pressure")["shape"] == [DAY_S])
        read = tab.page.locator(".lines-read")

        def last() -> str:
            read_at(tab, "pressure", ".u-over", 0.999, 0.5)
            return read.inner_text()

        tab.wait("its end is drawn", lambda: last().startswith("15/11/2023, 22:1"))
        assert heap_bytes() - before <= 10e6
        assert len(came) > 20, "it followed all the while"
        assert max(came) <= 1 << 20
        assert tab.problems() == []
