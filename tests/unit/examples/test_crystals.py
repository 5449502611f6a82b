"""The peak finder of the example: it finds the crystals, it is told the geometry, and in C it is the same."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock.core import Message
from penstock.elements import ExternalProgram
from penstock.simulators import XrfScan
from penstock.testing import make_message

FOLDER = Path(__file__).parents[3] / "examples" / "crystals"
N = 20

Find = Callable[..., ExternalProgram]


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Any]]:
    """Import the example's modules by the names that they have in their folder."""
    monkeypatch.syspath_prepend(str(FOLDER))
    yield __import__
    for name in ("hits", "jet", "peaks"):
        sys.modules.pop(name, None)


@pytest.fixture
def jet(example: Callable[[str], Any]) -> Any:
    return example("jet").Jet(XrfScan(rows=1, columns=N))


@pytest.fixture
def crystals(jet: Any) -> list[int]:
    return [number for number in range(N) if jet.has_crystal(number)]


@pytest.fixture
def find(example: Callable[[str], Any]) -> Iterator[Find]:
    """Make peak finders, and end their programs."""
    made = []

    def of(*command: str) -> ExternalProgram:
        words = [*command] or ["{python}", str(FOLDER / "find_peaks.py")]
        made.append(example("peaks").FindPeaks(words, geometry=FOLDER / "eiger.geom"))
        finder: ExternalProgram = made[-1]
        return finder

    yield of
    for each in made:
        each.close()


def binned(image: Any) -> Message:
    return make_message(image.reshape(128, 2, 128, 2).sum(axis=(1, 3)), key=7)


def test_images_with_crystals_are_the_hits(find: Find, jet: Any, crystals: list[int]) -> None:
    finder = find()
    found = [finder.process(binned(jet.image(number))) for number in range(N)]
    assert [number for number in range(N) if found[number]["is_hit"]] == crystals
    assert {found[number]["n"] for number in range(N) if number not in crystals} == {0}


def test_it_is_the_same_whether_images_are_binned_or_not(find: Find, jet: Any, crystals: list[int]) -> None:
    finder, image = find(), jet.image(crystals[0])
    coarse, fine = (finder.process(each)["peaks"] for each in (binned(image), make_message(image, key=7)))
    apart = np.hypot(*(coarse[:, None, :2] - fine[None, :, :2]).transpose(2, 0, 1)).min(axis=1)
    assert np.median(apart) < 0.5  # pixels of the detector


def test_another_geometry_holds_from_the_next_image_on(
    find: Find, jet: Any, crystals: list[int], tmp_path: Path
) -> None:
    far = tmp_path / "far.geom"
    far.write_text((FOLDER / "eiger.geom").read_text().replace("clen = 0.080", "clen = 0.160"))
    finder, image = find(), binned(jet.image(crystals[0]))
    before = finder.process(image)["peaks"]
    finder.geometry = far  # type: ignore[attr-defined]  # as an engine sets it
    after = finder.process(image)["peaks"]
    assert (after[:, :3] == before[:, :3]).all()
    assert (after[:, 3] > 1.5 * before[:, 3]).all()  # seen from so far away, the angles are smaller


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
def test_the_program_in_c_finds_the_same_peaks(find: Find, jet: Any, tmp_path: Path) -> None:
    words = ["cc", "-O2", "-ffp-contract=off", "-o", str(tmp_path / "find_peaks"), str(FOLDER / "find_peaks.c"), "-lm"]
    subprocess.run(words, check=True)
    one, other = find(), find(str(tmp_path / "find_peaks"))
    for number in range(5):
        mine, theirs = (finder.process(binned(jet.image(number))) for finder in (one, other))
        assert mine["is_hit"] == theirs["is_hit"]
        assert mine["peaks"].tolist() == theirs["peaks"].tolist()


def test_hits_are_counted_and_their_peaks_gathered(example: Callable[[str], Any]) -> None:
    hits = example("hits").Hits()
    peak = np.array([[10.2, 20.7, 500.0, 4.0]])
    for k in range(50):
        hits.reduce({"is_hit": k % 5 == 0, "n": 1, "peaks": peak})
    assert (hits.views["images"], hits.views["hits"], hits.views["hit_rate"]) == (50, 10, 0.2)
    assert hits.rate.array.tolist() == [0.2]
    assert hits.powder.array[10, 21] == hits.powder.array.sum() == 5000
    assert hits.peaks.array.tolist() == [0] * 25 + [10] + [0] * 24
