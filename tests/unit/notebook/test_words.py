"""A view in words: numbers as people read them, and nothing of what it holds becomes markup."""

import re
from html import escape
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from penstock.notebook.about import About
from penstock.notebook.inbox import Part
from penstock.notebook.words import range_text, table_html, value_html


def part(array: NDArray[Any]) -> Part:
    return Part(view="a/v", slice="", array=array, version=1, position=1)


MARKS = re.compile(r"</?(?:div|table|thead|tbody|tr|th|td)(?: (?:style|class)=\"[\w:.;% -]*\")?>")


@given(st.text(max_size=40), st.text(max_size=9))
def test_what_a_view_holds_is_text(text: str, unit: str) -> None:
    about = About(f"a/{unit}", (2,), "<U40", unit)
    for html in (value_html(about, part(np.array(text))), table_html(about, part(np.array([text, text])))):
        assert not set(MARKS.sub("", html)) & set("<>")
        assert escape(str(np.array(text))) in html


def test_nothing_yet_and_nothing_known_are_told_apart() -> None:
    assert range_text(part(np.empty(0))) == "nothing yet"
    assert range_text(part(np.array([np.nan]))) == "no values, 1 missing"
    assert range_text(part(np.array([True, False]))) == "False … True"
