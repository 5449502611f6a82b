"""The pictures of the README, made anew of a small scan, and what is written in them against those there are."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image

from pictures.__main__ import main
from pictures.browser import what_is_missing

THERE = Path(__file__).parents[2] / "docs" / "pictures"
SMALL = ("--points", "12x13", "--rate", "60", "--serve", "0")


def words(path: Path) -> set[str]:
    """Return what stands in a drawing of a terminal, whatever the numbers are."""
    texts = [text.text or "" for text in ElementTree.parse(path).iter("{http://www.w3.org/2000/svg}text")]
    return {re.sub(r"\d[\d,.]*", "0", text) for text in texts if not re.fullmatch(r"·|[\d,.]+( [mµn]?s)?", text)}


def test_the_pictures_there_are_show_what_the_demo_shows_today(tmp_path: Path) -> None:
    if trouble := what_is_missing():
        pytest.skip(trouble)
    assert main(["--out", str(tmp_path), *SMALL]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in THERE.iterdir()}
    assert words(tmp_path / "demo-terminal.svg") == words(THERE / "demo-terminal.svg"), "./dev pictures makes it anew"
    assert "edge" in words(THERE / "demo-terminal.svg")
    assert "instrument → xspress0" in words(THERE / "demo-terminal.svg")
    for name in ("demo-page.png", "demo-result.png"):
        with Image.open(tmp_path / name) as made, Image.open(THERE / name) as there:
            assert made.size == there.size
            assert len(made.convert("RGB").getcolors(1 << 20) or ()) > 100


def test_without_chromium_there_is_no_picture_of_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    assert main(["--out", str(tmp_path), *SMALL]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"demo-terminal.svg", "demo-result.png"}
    assert "no chromium on this machine; ./dev setup-system" in capsys.readouterr().err


def test_a_demo_that_does_not_start_is_said(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"half-way:\n(.*\n)*.*41x51"):
        main(["--out", str(tmp_path), "--no-page", "--points", "no mesh"])
    assert not list(tmp_path.iterdir())
