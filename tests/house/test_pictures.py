"""The pictures in the pages are there, are small, and show what the demo shows today."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from penstock.monitor.edge_table import NARROW, edge_table
from penstock.monitor.report import books_of_nothing
from tests.house.pages import Page

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "pictures"
PICTURES = sorted(FOLDER.iterdir())
AGAIN = "; ./dev pictures makes it anew"


def test_the_readme_shows_result_and_terminal() -> None:
    shown = Page(ROOT / "README.md").pictures()
    assert {"docs/pictures/demo-result.png", "docs/pictures/demo-terminal.svg"} <= set(shown)
    for path, text in shown.items():
        assert (ROOT / path).is_file(), path
        assert len(text) > 30, f"what does {path} show, to somebody who cannot see it?"


def test_every_picture_is_shown_somewhere() -> None:
    pages = [Page(path) for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]]
    shown = {(page.path.parent / path).resolve() for page in pages for path in page.pictures()}
    assert {*PICTURES} <= shown


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.name)
def test_a_picture_is_small(path: Path) -> None:
    assert path.stat().st_size < 60_000


def test_the_terminal_has_the_columns_of_today() -> None:
    drawn = ElementTree.parse(FOLDER / "demo-terminal.svg")
    texts = {text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")}
    columns = {str(column.header) for column in edge_table(books_of_nothing("", ""), NARROW).columns}
    assert columns <= texts, f"the terminal of the README lacks {', '.join(columns - texts)}{AGAIN}"
