"""Patterns and ignore rules."""

import pytest

from penstock.streams.file_choice import FileChoice


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("*.tif", "a.tif", True),
        ("*.tif", "deep/er/a.tif", True),
        ("*.tif", "a.tif/b.h5", False),
        ("*.TIF", "a.tif", False),
        ("run?/*.h5", "run1/a.h5", True),
        ("run?/*.h5", "run1/more/a.h5", False),
        ("run?/*.h5", "deep/run1/a.h5", False),
        ("run?/**/*.h5", "run1/a.h5", True),
        ("run?/**/*.h5", "run1/x/y/a.h5", True),
        ("/a.h5", "a.h5", True),
        ("/a.h5", "x/a.h5", False),
        ("**", "x/y", True),
        ("[ab].h5", "b.h5", True),
    ],
)
def test_a_pattern_is_about_names_or_about_paths(pattern: str, path: str, fits: bool) -> None:
    assert FileChoice([pattern]).fits(path) is fits


def test_what_is_hidden_or_unfinished_is_ignored_unless_somebody_wants_it() -> None:
    paths = ["a", ".a", ".hidden/a", "a.tmp", "b~", "a.part"]
    assert [path for path in paths if FileChoice().fits(path)] == ["a"]
    assert [path for path in paths if FileChoice(ignore=[]).fits(path)] == paths


def test_a_rule_that_fits_a_folder_leaves_out_all_that_is_in_it() -> None:
    choice = FileChoice(["*.h5"], ["dark/", "raw/old"])
    assert choice.passes_over("x/dark")
    assert choice.passes_over("raw/old/y")
    assert not choice.passes_over("raw")
    assert not choice.fits("dark/deep/a.h5")
    assert choice.fits("old/a.h5")


def test_a_folder_is_not_passed_over_because_no_pattern_fits_it() -> None:
    assert not FileChoice(["*.h5"]).passes_over("x")
