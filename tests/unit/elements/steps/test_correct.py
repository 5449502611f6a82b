"""Images corrected by arrays and files, which may change between two of them."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from penstock.core.message import Message
from penstock.elements.signature import parameters_of
from penstock.elements.steps.correct import Correct

IMAGE = np.arange(6, dtype=np.uint16).reshape(2, 3)
DARK = np.full((2, 3), 1.0)
FLAT = np.array([[1.0, 2.0, 4.0], [1.0, 0.5, 0.0]])
MASK = np.array([[True, False, False], [False, False, False]])


@given(
    arrays(np.uint16, (3, 4)),
    arrays(np.float64, (3, 4), elements=st.floats(0, 100)),
    arrays(np.float64, (3, 4), elements=st.floats(0.01, 100)),
    arrays(np.bool_, (3, 4)),
)
def test_it_is_what_the_formula_says(image: Any, dark: Any, flat: Any, mask: Any) -> None:
    found = Correct(dark=dark, flat=flat, mask=mask, fill=-7.0)(image)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.where(mask, -7.0, (image - dark) / flat), rtol=1e-4, atol=1e-2)


def test_a_message_and_a_field_keep_what_else_they_have() -> None:
    message = Message(id=3, key=4, metadata={"a": 1}, array=IMAGE)
    found = Correct(dark=DARK)(message)
    assert (found.id, found.key, found.metadata) == (3, 4, {"a": 1})
    assert found.array.tolist() == (IMAGE - 1.0).tolist()
    assert IMAGE[0, 0] == 0, "it was changed in place"
    item = Correct("image", mask=MASK, fill=0.0)({"image": IMAGE.astype(float), "n": 1})
    assert item["n"] == 1
    assert item["image"].dtype == np.float64
    assert item["image"].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_of_a_stack_each_image_is_corrected() -> None:
    found = Correct(dark=DARK, mask=MASK, fill=-1.0)(np.stack([IMAGE, IMAGE + 1]))
    assert found.tolist() == [[[-1, 0, 1], [2, 3, 4]], [[-1, 1, 2], [3, 4, 5]]]


def test_what_changes_holds_from_the_next_image_on(tmp_path: Path) -> None:
    correct = Correct()
    assert correct(IMAGE).tolist() == IMAGE.tolist()
    correct.dark = DARK
    assert correct(IMAGE).tolist() == (IMAGE - 1.0).tolist()
    np.savez(tmp_path / "c.npz", dark=DARK + 1, flat=FLAT)
    correct.calibration = tmp_path / "c.npz"
    assert correct(IMAGE)[0].tolist() == [-1.0, 0.0, 0.25], "the dark that is given goes before the file's"
    assert np.isnan(correct(IMAGE)[1, 2])
    correct.dark = None
    assert correct(IMAGE)[0].tolist() == [-2.0, -0.5, 0.0]
    with h5py.File(tmp_path / "c.h5", "w") as file:
        file["mask"] = MASK
    correct.calibration, correct.fill = tmp_path / "c.h5", 9.0
    assert correct(IMAGE).tolist() == [[9, 1, 2], [3, 4, 5]]


def test_what_does_not_fit_says_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"the dark is \(2, 3\) and the image \(3, 2\)"):
        Correct(dark=DARK)(IMAGE.T)
    (tmp_path / "text.h5").write_text("no HDF5")
    with pytest.raises(ValueError, match=r"text\.h5: cannot be read as an \.npz or HDF5 file"):
        Correct(calibration=tmp_path / "text.h5")(IMAGE)
    np.savez(tmp_path / "other.npz", black=DARK)
    with pytest.raises(ValueError, match=r"other\.npz: has none of dark, flat, mask"):
        Correct(calibration=tmp_path / "other.npz")(IMAGE)


def test_its_parameters_say_what_they_are() -> None:
    found = {parameter.name: parameter for parameter in parameters_of(Correct)}
    assert list(found) == ["dark", "flat", "mask", "calibration", "fill"]
    assert {parameter.section for parameter in found.values()} == {"Correction"}
    assert "≥ 0" in found["flat"].expects
