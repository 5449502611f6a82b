"""How soon the live page shows what it has, how fast it follows, and what it costs; in a real browser."""

import gzip
import json
import math
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import penstock.web
from bench.effort import Effort
from bench.page_code import watched
from bench.row import Row
from penstock.client import connect
from penstock.services.usage import usage_of
from penstock.services.web_service import WebService
from pictures.browser import Browser, Shown, what_is_missing
from pictures.plain_tab import PlainTab

__all__ = ["bundle_rows", "death_rows", "first_rows", "follow_rows", "hidden_rows", "viewers_rows"]

PAGE = Path(penstock.web.__file__).parent / "ui"
RATE_HZ, VIEWERS, VIEWERS_HZ = 10.0, 20, 5.0
LONG_TASK_MS, LATE_MS = 100.0, 200.0
FIRST_PAINT = """
    const found = performance.getEntriesByName("first-contentful-paint")[0];
    return found ? found.startTime : null
"""
PREPARE = """
    window.found_ = {drawn: [], drawn_image: [], late_ms: [], tasks_ms: []};
    new PerformanceObserver((list) => found_.tasks_ms.push(...list.getEntries().map(({duration}) => duration)))
      .observe({type: "longtask"});
    const clear = CanvasRenderingContext2D.prototype.clearRect;  // with each drawing of a curve
    CanvasRenderingContext2D.prototype.clearRect = function (...place) {
      found_.drawn.push(performance.now());
      return clear.apply(this, place);
    };
"""
WATCH_IMAGE = """
    const group = document.querySelector("figure [role='group']");
    let before = 0;
    new MutationObserver(() => {
      const made = Number(/to ([0-9]+) ms/.exec(group.ariaLabel)?.[1]);
      if (!made || made === before) return;
      before = made;
      // The frame that comes next draws it; in the one after, it has been drawn.
      requestAnimationFrame(() => requestAnimationFrame(() => {
        found_.drawn_image.push(performance.now());
        found_.late_ms.push((Date.now() - made) % 86400000);
      }));
    }).observe(group, {attributes: true});
"""


def bundle_rows(_: Effort) -> Iterator[Row]:
    """Weigh what the page is made of."""
    files = [each for each in PAGE.rglob("*") if each.suffix in (".js", ".css", ".html")]
    if not files:
        raise FileNotFoundError(f"the live page is not built: nothing in {PAGE}; ./dev setup builds it")
    packed = {each.name: len(gzip.compress(each.read_bytes(), 9)) for each in files}
    yield Row(
        name="page_bundle: all of the page, compressed", value=sum(packed.values()) / 1e6, unit="MB",
        reference=0, of="", target=1.5, asks="at most",
    )  # fmt: skip


def first_rows(effort: Effort) -> Iterator[Row]:
    """Measure how long an empty browser takes until something of the page stands there, and until a plot does."""
    paints, plots = [], []
    with _served(1.0) as web, _browser() as browser:
        for _ in range(1 + effort.runs):
            with browser.tab() as tab:
                begin = time.perf_counter()
                tab.page.goto(web.address, wait_until="commit")
                tab.page.locator("figure .u-over").first.wait_for(state="attached")
                plots.append(time.perf_counter() - begin)
                paints.append(tab.run(FIRST_PAINT) / 1e3)
    yield Row(
        name="page_first: first paint, nothing cached", value=statistics.median(paints[1:]), unit="s",
        reference=0, of="", target=1.0, asks="at most",
    )  # fmt: skip
    yield Row(
        name="page_first: a curve of a million points is drawn", value=statistics.median(plots[1:]), unit="s",
        reference=0, of="",
    )  # fmt: skip


def follow_rows(effort: Effort) -> Iterator[Row]:
    """Measure how a page follows an image of four million pixels and a series of a million points."""
    seconds = max(5.0, 6 * effort.span_s)
    with _served(RATE_HZ) as web, _browser() as browser:
        image = _followed(browser, f"{web.address}/#/view/show/image", seconds, is_image=True)
        series = _followed(browser, f"{web.address}/#/view/show/series", seconds, is_image=False)
        both = _followed(browser, f"{web.address}/#/", seconds, is_image=True)
    for each in (image, both):
        each["drawn"] = each["drawn_image"]
    late = sorted(image["late_ms"])
    for share, name in ((0.5, "median"), (0.95, "p95")):
        yield Row(
            name=f"page_follow: 4 Mpixel at 10 Hz, from published to drawn, {name}",
            value=late[int(share * (len(late) - 1))], unit="ms", reference=0, of="", target=LATE_MS, asks="at most",
        )  # fmt: skip
    for what, found in (("4 Mpixel", image), ("a series of 1 M points", series), ("both on one screen", both)):
        yield Row(
            name=f"page_follow: {what} at 10 Hz, updates drawn", value=_updates(found["drawn"]) / found["seconds"],
            unit="/s", reference=found["published"] / found["seconds"], of="published", target_ratio=0.8,
        )  # fmt: skip
        yield Row(
            name=f"page_follow: {what} at 10 Hz, longest task of the page",
            value=max(found["tasks_ms"], default=0.0), unit="ms", reference=0, of="", target=LONG_TASK_MS,
            asks="at most",
        )  # fmt: skip


def hidden_rows(effort: Effort) -> Iterator[Row]:
    """Measure what a tab costs that nobody sees."""
    seconds = max(5.0, 2 * effort.span_s)
    with _served(RATE_HZ) as web, _browser() as browser, PlainTab(browser.chromium) as tab:
        system = browser.chromium.new_browser_cdp_session()

        def cpu_s() -> float:
            processes = system.send("SystemInfo.getProcessInfo")["processInfo"]
            return sum(float(each["cpuTime"]) for each in processes if each["type"] == "renderer")

        def cores() -> float:
            before = cpu_s()
            time.sleep(seconds)
            return (cpu_s() - before) / seconds

        tab.open(web.address)
        tab.hear_for(3.0)
        seen = cores()
        tab.hide()
        tab.hear_for(1.0)
        hidden = cores()
    yield Row(
        name="page_hidden: processor of a tab that nobody sees", value=hidden, unit="cores", reference=seen,
        of="the same tab, seen", target=0.01, asks="at most",
    )  # fmt: skip


def death_rows(effort: Effort) -> Iterator[Row]:
    """Measure how soon the page says that a worker has been killed."""
    took = []
    with _browser() as browser:
        for _ in range(effort.runs):
            with _served(RATE_HZ) as web, browser.tab() as tab:
                tab.open(f"{web.address}/#/pipeline/count")
                rows = tab.page.locator(".pipeline-room tbody tr")
                rows.first.wait_for()
                (process, *_) = tab.page.request.get(f"{web.address}/api/v1/flow/count").json()["processes"]
                begin = time.perf_counter()
                os.kill(process["pid"], signal.SIGKILL)
                tab.page.locator(".room .mark", has_text="1 death").wait_for()
                took.append(time.perf_counter() - begin)
    yield Row(
        name="page_death: a killed worker is shown", value=max(took), unit="s", reference=0, of="", target=2,
        asks="at most",
    )  # fmt: skip


def viewers_rows(effort: Effort) -> Iterator[Row]:
    """Measure twenty pages that follow the image at 5 Hz: what they are sent, without what they draw."""
    seconds = max(5.0, 4 * effort.span_s)
    with _served(VIEWERS_HZ) as web, connect(web.address) as seen:
        alone = _ticks_per_s(seen, seconds)
        before = usage_of(web.pid or 0).cpu_s
        words = [web.address.replace("http", "ws") + "/api/v1/changes", "show/image", str(seconds), str(VIEWERS), "max"]
        viewers = subprocess.Popen([sys.executable, "-m", "bench.web_viewers", *words], stdout=subprocess.PIPE)
        beside = _ticks_per_s(seen, seconds)
        found = json.loads(viewers.communicate()[0])
        cpu = (usage_of(web.pid or 0).cpu_s - before) / seconds
    yield Row(
        name=f"page_viewers: {VIEWERS} of 4 Mpixel at 5 Hz, processor of the web process", value=cpu, unit="cores",
        reference=0, of="", target=0.15, asks="at most",
    )  # fmt: skip
    yield Row(
        name="page_viewers: sent of the view at most", value=found["largest"] / 2**20, unit="MiB", reference=16,
        of="all of it", target=1, asks="at most",
    )  # fmt: skip
    yield Row(
        name="page_viewers: updates of the viewer with fewest", value=min(found["updates"]) / seconds, unit="/s",
        reference=VIEWERS_HZ, of="published", target_ratio=0.8,
    )  # fmt: skip
    yield Row(
        name="page_viewers: speed of the run beside them", value=beside, unit="ticks/s", reference=alone,
        of="without viewers", target_ratio=0.95,
    )  # fmt: skip


def _followed(browser: Browser, address: str, seconds: float, *, is_image: bool) -> dict[str, Any]:
    """Return when something was drawn, how late, and how long the page's tasks were."""
    with browser.tab() as tab:
        tab.page.add_init_script(PREPARE)
        tab.open(address)
        tab.wait("a drawing", lambda: tab.page.locator("figure [role='group'] canvas, figure .u-over").count() > 0)
        tab.page.wait_for_timeout(2000)  # what comes once: fonts, programs of the graphics card
        if is_image:
            tab.run(WATCH_IMAGE)
        before, begin = _published(tab), time.perf_counter()
        tab.run("Object.assign(found_, {drawn: [], drawn_image: [], late_ms: [], tasks_ms: []})")
        tab.page.wait_for_timeout(1000 * seconds)
        found: dict[str, Any] = tab.run("return found_")
        took = time.perf_counter() - begin
        return {**found, "seconds": took, "published": _published(tab) - before}


def _updates(drawn_ms: list[float]) -> int:
    """Count what was drawn; what follows sooner than an update can is the same one, drawn in two pieces."""
    last, count = -math.inf, 0
    for at in drawn_ms:
        if at - last >= 700 / RATE_HZ:
            last, count = at, count + 1
    return count


def _published(tab: Shown) -> int:
    ticks = tab.page.request.get(f"{tab.page.url.partition('/#')[0]}/api/v1/data/show/ticks?format=json")
    return int(ticks.json()["data"])


@contextmanager
def _served(rate_hz: float) -> Iterator[WebService]:
    with WebService(port=0) as web, watched(rate_hz).start(web=web) as run:
        with connect(web.address) as seen:
            while "show/ticks" not in seen or float(seen["show/ticks"]) < 3:
                time.sleep(0.1)
        yield web
        run.stop()


def _browser() -> Browser:
    if trouble := what_is_missing():
        raise FileNotFoundError(trouble)
    return Browser()


def _ticks_per_s(seen: Any, seconds: float) -> float:
    before, begin = float(seen["show/ticks"]), time.monotonic()
    time.sleep(seconds)
    return (float(seen["show/ticks"]) - before) / (time.monotonic() - begin)
