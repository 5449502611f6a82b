"""A terminal as SVG: every word where its cell is, in its colour, and lines that meet."""

from xml.etree import ElementTree

import pyte

from pictures.terminal_svg import CELL_WIDTH, terminal_svg

SVG = "{http://www.w3.org/2000/svg}"


def drawn(said: str, columns: int = 40) -> tuple[ElementTree.Element, list[ElementTree.Element]]:
    """Return the drawing, and its texts without the window's title."""
    screen = pyte.Screen(columns, 10)
    pyte.Stream(screen).feed(said)
    root = ElementTree.fromstring(terminal_svg(screen, "a & b"))
    title, *texts = root.iter(f"{SVG}text")
    assert title.text == "a & b"
    return root, texts


def test_columns_stay_columns_whichever_font_is_used() -> None:
    _, texts = drawn("one   two words\r\n<&>   b")
    assert [text.text for text in texts] == ["one", "two words", "<&>", "b"]
    left = [float(text.attrib["x"]) for text in texts]
    assert left[0] == left[2]
    assert left[1] == left[3]
    assert round((left[1] - left[0]) / CELL_WIDTH) == 6
    assert float(texts[1].attrib["textLength"]) == round(9 * CELL_WIDTH, 3)
    assert float(texts[0].attrib["y"]) < float(texts[2].attrib["y"])


def test_a_style_is_kept() -> None:
    _, texts = drawn("\x1b[1mbold\x1b[0m plain \x1b[33myellow\x1b[0m \x1b[38;2;18;52;86mown")
    assert [(text.text, text.get("class"), text.get("style")) for text in texts] == [
        ("bold", "b", None),
        ("plain", None, None),
        ("yellow", None, "fill: #e3b341"),
        ("own", None, "fill: #123456"),
    ]


def test_lines_are_lines() -> None:
    root, texts = drawn("━━╸ ╺━\r\n──")
    assert not texts
    _title_bar, *bars = (path.attrib["d"] for path in root.iter(f"{SVG}path"))
    lengths = [float(bar.split("H")[1]) - float(bar[1:].split()[0]) for bar in bars]
    assert [round(length / CELL_WIDTH, 1) for length in lengths] == [2.5, 1.5, 2.0]


def test_the_window_is_as_large_as_what_stands_in_it() -> None:
    small, _ = drawn("one")
    same, _ = drawn("one", columns=100)
    large, _ = drawn("one\r\n\r\ntwo and more")
    assert small.attrib["viewBox"] == same.attrib["viewBox"]
    assert float(large.attrib["width"]) > float(small.attrib["width"])
    assert float(large.attrib["height"]) > float(small.attrib["height"])
    assert len(drawn("")[1]) == 0
