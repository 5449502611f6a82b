"""``./dev pictures``: let the demo run on a terminal, and keep what it shows half-way and what it has written."""

import argparse
import re
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from PIL import Image

from pictures.browser import Browser, what_is_missing
from pictures.terminal import Terminal, lines
from pictures.terminal_svg import terminal_svg

HERE = Path(__file__).parents[1] / "docs" / "pictures"
COMMAND = (sys.executable, "-c", "from penstock.cli.main import main; main()", "demo")
DRAWN = """
    const figures = [...document.querySelectorAll("figure")];
    return figures.filter((each) => each.querySelector("canvas") && !each.querySelector(".waits")).length
"""


def main(arguments: list[str]) -> int:
    """Make the pictures and return an exit code."""
    parser = argparse.ArgumentParser(
        prog="./dev pictures", description=__doc__, epilog="All other arguments go to the demo."
    )
    parser.add_argument("--out", type=Path, default=HERE, metavar="FOLDER", help="where they are written")
    parser.add_argument("--no-page", action="store_true", help="without the web page, which needs Chromium")
    wanted, of_demo = parser.parse_known_args(arguments)
    is_page_wanted = not wanted.no_page
    if is_page_wanted and (trouble := what_is_missing()):
        print(f"./dev pictures: without the web page: {trouble}", file=sys.stderr)
        is_page_wanted = False
    wanted.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        made = make(wanted.out, of_demo, folder=Path(folder), with_page=is_page_wanted)
    for path in made:
        print(f"{path}: {path.stat().st_size / 1e3:.0f} kB")
    return 0


def make(out: Path, of_demo: list[str], *, folder: Path, with_page: bool) -> list[Path]:
    """Run the demo in a folder and write ``demo-terminal.svg``, ``demo-page.png`` and ``demo-result.png``.

    Raises
    ------
    SystemExit
        If the demo does not get there; with what it said.
    """
    made = []
    with ExitStack() as stack:
        # Started before the demo, which would otherwise share the processor with it.
        browser = stack.enter_context(Browser()) if with_page else None
        terminal = stack.enter_context(Terminal([*COMMAND, "--out", str(folder), *of_demo], folder))
        if not terminal.shows(_is_half_way):
            raise SystemExit("the demo ended before it was half-way:\n" + "\n".join(lines(terminal.screen)))
        made.append(out / "demo-terminal.svg")
        made[-1].write_text(terminal_svg(terminal.screen, "penstock demo"))
        if browser is not None:
            made.append(out / "demo-page.png")
            _draw_page(browser, _address(lines(terminal.screen)), made[-1])
        has_ended = terminal.shows(lambda shown: any("until Ctrl-C" in line for line in shown))
        terminal.interrupt()
        if terminal.end() or not has_ended:
            raise SystemExit("the demo went wrong:\n" + "\n".join(lines(terminal.screen)))
    (result,) = folder.glob("*.png")
    made.append(out / "demo-result.png")
    _make_small(result, made[-1])
    return made


def _is_half_way(shown: list[str]) -> bool:
    found = re.search(r"^([\d,]+) of ([\d,]+) points", "\n".join(shown), re.MULTILINE)
    if found is None:
        return False
    formed, planned = (int(number.replace(",", "")) for number in found.groups())
    return planned <= 2 * formed < 2 * planned


def _address(shown: list[str]) -> str:
    return next(line.removeprefix("views: ") for line in shown if line.startswith("views: "))


def _draw_page(browser: Browser, address: str, path: Path) -> None:
    with browser.tab() as tab:
        tab.open(address)
        tab.wait("three views are drawn", lambda: tab.run(DRAWN) == 3)
        tab.page.wait_for_timeout(500)  # their colours come with the next picture
        tab.page.screenshot(path=path)
    _make_small(path, path)


def _make_small(source: Path, target: Path) -> None:
    """Write a picture with 256 colours, which is a third of the bytes and looks the same."""
    with Image.open(source) as picture:
        small = picture.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    small.save(target, optimize=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
