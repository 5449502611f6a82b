"""The live page for whoever looks at it: by keyboard, with a screen reader, dark or light, on a phone, with a token."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import httpx
import pytest

from pictures.browser import Browser, Shown
from tests.system.looked_at import LOOKS, Served, browser_or_skip, numbers, read_at, served

PAGES = (
    "",
    "pipeline",
    "pipeline/work",
    "controls",
    "runs",
    "log",
    "streams",
    "view/look/image",
    "view/look/curve",
    "kiosk",
)
AXE = Path(__file__).parents[2] / "ui/node_modules/axe-core/axe.min.js"
FOUND = """
    const said = ({html, failureSummary}) => html.slice(0, 200) + failureSummary;
    return axe.run(document, {resultTypes: ["violations"]}).then(({violations}) => violations
      .filter(({impact}) => impact === "serious" || impact === "critical")
      .map(({id, help, nodes}) => `${id}: ${help}: ` + nodes.slice(0, 3).map(said).join(" | ")))
"""
"""What is seriously wrong for those who cannot see or point, in words."""

browser = pytest.fixture(scope="module")(browser_or_skip)


@pytest.fixture(scope="module")
def looks(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(LOOKS, tmp_path_factory.mktemp("looks"), waits_for="look/level") as looks:
        yield looks


def go(tab: Shown, address: str, page: str) -> None:
    """Show a page until what it has is there."""
    tab.open(f"{address}/#/{page}")
    tab.wait(f"{page} is there", lambda: tab.page.locator("main").count() == 1)
    tab.page.wait_for_timeout(300)  # what it asks for comes


def seriously_wrong(tab: Shown) -> list[str]:
    """Ask axe of the page as it is."""
    if not AXE.is_file():
        pytest.skip("no ui/node_modules/axe-core; ./dev setup fetches it with what the page is built of")
    tab.run(AXE.read_text())
    found: list[str] = tab.run(FOUND)
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_screen_reader_finds_its_way_on_every_page(
    looks: Served, browser: Browser, scheme: Literal["light", "dark"]
) -> None:
    found = []
    with browser.tab(scheme=scheme) as tab:
        for page in PAGES:
            go(tab, looks.address, page)
            found += [f"{page}: {each}" for each in seriously_wrong(tab)]
        assert tab.problems() == []
    assert not found, "\n\n".join(found)


def test_a_phone_shows_every_page_without_moving_sideways(looks: Served, browser: Browser) -> None:
    found = []
    with browser.tab(390, 844, is_phone=True) as tab:
        for page in PAGES:
            go(tab, looks.address, page)
            assert tab.run("return document.documentElement.scrollWidth") <= 390, page
            found += [f"{page}: {each}" for each in seriously_wrong(tab)]
        assert tab.problems() == []
    assert not found, "\n\n".join(found)


def test_all_can_be_done_by_keyboard(looks: Served, browser: Browser) -> None:
    with browser.tab(1400, 1500) as tab:
        page = tab.page
        go(tab, looks.address, "")

        def focused() -> str:
            text: str = tab.run("return document.activeElement.textContent")
            return text

        page.keyboard.press("Tab")
        assert focused() == "To the content"
        while focused() != "Controls":
            page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        tab.wait("the page of controls", lambda: page.locator("#parameters-title").count() == 1)
        page.go_back()

        spectrum = page.locator("figure[aria-label='spectrum']")
        spectrum.locator("[role='application']").focus()
        for _ in range(3):
            page.keyboard.press("+")  # an eighth is seen, from the middle on both sides
        read_at(tab, "spectrum", ".u-over", 0.99, 0.5)
        tab.wait("the cursor", lambda: len(numbers(spectrum.locator(".lines-read").inner_text())) == 2)
        at, _ = numbers(spectrum.locator(".lines-read").inner_text())
        assert 7.5 < at < 7.9
        page.keyboard.press("0")
        read_at(tab, "spectrum", ".u-over", 0.98, 0.5)
        tab.wait("all of it", lambda: numbers(spectrum.locator(".lines-read").inner_text())[0] > 9.5)

        page.get_by_role("button", name="arrange").focus()
        page.keyboard.press("Enter")
        before = spectrum.bounding_box()
        spectrum.locator("figcaption").focus()
        page.keyboard.press("Alt+ArrowRight")
        tab.wait("it has moved", lambda: spectrum.bounding_box() != before)
        page.keyboard.press("Escape")
        page.reload()
        tab.wait("it is where it was", lambda: spectrum.count() == 1 and spectrum.bounding_box() != before)
        assert tab.problems() == []


def test_a_plot_has_its_own_address_and_can_stand_alone(looks: Served, browser: Browser) -> None:
    with browser.tab() as tab:
        tab.open(f"{looks.address}/?embed=1#/view/look/curve?scale=log")
        tab.wait("the curve", lambda: tab.page.locator(".u-over").count() == 1)
        assert tab.page.locator("header, nav, button, figcaption").count() == 0
        tab.open(f"{looks.address}/?embed=1#/view/look/image?map=Nonsense")
        image = tab.page.locator("[aria-label^='camera: an image']")
        tab.wait("an image, in colours that there are", lambda: image.count() == 1)
        tab.open(f"{looks.address}/?embed=1")
        tab.wait("all plots", lambda: tab.page.locator("figure").count() > 1)
        tab.wait("results", lambda: tab.page.locator("figure .u-over").count() > 0)
        assert tab.page.locator("header, nav, [role='toolbar'], summary, input, a").count() == 0
        assert not any(each.is_visible() for each in tab.page.get_by_role("button").all()), "until somebody zooms"
        tab.open(f"{looks.address}/?also#/kiosk?every=1")
        first = tab.page.locator("figure").first
        tab.wait("a plot", lambda: first.count() == 1)
        before = first.get_attribute("aria-label")
        tab.wait("the next one", lambda: first.get_attribute("aria-label") != before)
        assert tab.page.locator("header, nav, button").count() == 0
        tab.page.keyboard.press("Escape")
        tab.wait("the way back", lambda: tab.page.locator("header").count() == 1)
        assert tab.problems() == []


def test_a_viewer_looks_and_an_operator_turns(browser: Browser, tmp_path: Path) -> None:
    tokens = {"PENSTOCK_VIEWER_TOKEN": "look & see", "PENSTOCK_OPERATOR_TOKEN": "turn"}
    with served(LOOKS, tmp_path / "guarded", environ=tokens) as looks, browser.tab() as tab:
        page = tab.page
        tab.open(f"{looks.address}/#/controls")
        for token, role in (("guessed", "no access"), ("look & see", "viewer")):
            tab.wait("it asks who it is", lambda: page.get_by_role("dialog").count() == 1)
            assert "Parameters" not in tab.text()
            page.get_by_label("Token").fill(token)
            page.keyboard.press("Enter")
            page.get_by_role("button", name=role).wait_for()
        tab.problems()  # what was refused is told there
        level = page.get_by_role("spinbutton").or_(page.get_by_role("textbox")).first
        tab.wait("the parameters", lambda: level.count() == 1)
        assert level.is_disabled()
        assert page.get_by_role("button", name="Apply").count() == 0
        tab.open(f"{looks.address}/#/view/look/image?roi=0,2,1,3")
        give = page.get_by_role("button", name="set [0,2,1,3]")
        give.wait_for()
        assert give.is_disabled()
        tab.open(f"{looks.address}/#/controls")

        page.get_by_role("button", name="viewer").click()
        page.get_by_label("Token").fill("turn")
        page.keyboard.press("Enter")
        tab.wait("an operator's page", lambda: page.get_by_role("button", name="operator").count() == 1)
        level.fill("12.5")
        page.keyboard.press("Enter")
        asked = {"Authorization": "Bearer turn"}

        def is_set() -> bool:
            found = httpx.get(f"{looks.address}/api/v1/parameters", headers=asked).json()
            return bool(found["parameters"][0]["value"] == 12.5)

        tab.wait("the parameter is set", is_set)
        assert tab.problems() == []


def test_a_recorded_run_that_is_replayed_beside_is_compared_with_the_live_one(browser: Browser, tmp_path: Path) -> None:
    recorded = LOOKS.replace("rate_hz: 20}", "rate_hz: 20, record: true}")
    with served(recorded, tmp_path / "recorded", waits_for="look/curve") as looks, browser.tab(1600, 900) as tab:
        run = looks.get("run")["run"]
        looks.set(level=3)
        httpx.post(f"{looks.address}/api/v1/commands", json={"name": "finish"}).raise_for_status()
        page = tab.page
        tab.open(f"{looks.address}/#/runs")
        page.get_by_role("button", name=f"Replay {run}").click()
        page.get_by_role("dialog").get_by_role("button", name="Replay").click()
        page.get_by_role("link", name="Beside the live run").click()
        replay = page.frame_locator("iframe[title^='replay']").locator("figure[aria-label='spectrum']")
        replay.locator("summary").click()
        replay.get_by_role("button", name="keep to compare with").click()
        replay.get_by_text(f"kept: {run}-again-1").wait_for()
        live = page.frame_locator("iframe[title='the live run']").locator("figure[aria-label='spectrum']")
        live.get_by_role("button", name="settings of spectrum").click()
        choice = live.get_by_label("compare with")
        (kept,) = [each for each in choice.locator("option").all_inner_texts() if each != "–"]
        assert kept.startswith(f"{run}-again-1, ")
        choice.select_option(kept)
        tab.wait("both are drawn", lambda: kept in live.locator(".lines-legend").inner_text())
        assert [each for each in tab.problems() if "409" not in each] == [], "but for what was asked as a run ended"

        tab.open(f"{looks.address}/#/")
        page.get_by_role("slider", name="the moment that is shown").fill("0")
        page.get_by_role("button", name="back to now").wait_for()
        httpx.post(f"{looks.address}/api/v1/runs", json={}).raise_for_status()
        tab.wait("the new run is shown as it is", lambda: page.get_by_role("button", name="back to now").count() == 0)
