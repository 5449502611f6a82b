"""Arrays come back from every codec as they were; bytes that are not right are refused, and never believed."""

import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as nst
from numpy.typing import NDArray

from penstock.core.codecs import CODECS, MAX_BYTES, decoded, encoded
from penstock.core.encoding import Encoding
from penstock.errors import DecodingError

imagecodecs = pytest.importorskip("imagecodecs")
pytest.importorskip("bitshuffle")

DTYPES = ["?", "u1", "<u2", ">u2", "<u4", "<i8", "<f4", ">f8", "<c16"]
shapes = nst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=67)
names = st.sampled_from(sorted(CODECS))


@st.composite
def frames(draw: st.DrawFn) -> NDArray[Any]:
    """Counts as a detector has them: few or many, of any size that does or does not fill a block."""
    shape, dtype = draw(shapes), np.dtype(draw(st.sampled_from(DTYPES)))
    dice = np.random.default_rng(draw(st.integers(0, 99)))
    counts: NDArray[Any] = dice.poisson(draw(st.sampled_from([0.01, 2.0, 90.0])), shape)
    return counts.astype(dtype)


def others(frame: NDArray[Any]) -> dict[str, tuple[Any, Encoding]]:
    """What other senders make of a frame under the same names."""
    dtype, shape, data = frame.dtype.str, frame.shape, frame.tobytes()
    return {
        "a block of LZ4": (imagecodecs.lz4_encode(data), Encoding("lz4", dtype, shape)),
        "a frame of LZ4": (imagecodecs.lz4f_encode(data), Encoding("lz4", dtype, shape)),
        "a chunk of Blosc2": (imagecodecs.blosc2_encode(data), Encoding("blosc", dtype, shape)),
    }


@settings(max_examples=40, deadline=None)
@given(frames(), names)
def test_what_was_encoded_comes_back(frame: NDArray[Any], name: str) -> None:
    payload, encoding = encoded(frame, name)
    assert encoding == Encoding(name, frame.dtype.str, frame.shape)
    found = decoded(payload, encoding)
    assert (found.dtype, found.shape, found.flags.writeable) == (frame.dtype, frame.shape, False)
    assert found.tobytes() == frame.tobytes()


@pytest.mark.parametrize("name", sorted(others(np.zeros(8, "u1"))))
def test_other_forms_of_the_same_names_are_read(name: str) -> None:
    frame = np.random.default_rng(1).poisson(3, (37, 64)).astype("<u2")
    data, encoding = others(frame)[name]
    np.testing.assert_array_equal(decoded(np.frombuffer(data, np.uint8), encoding), frame)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_bytes_that_are_not_right_are_refused_or_give_such_an_array(data: st.DataObject) -> None:
    frame = data.draw(frames())
    payload, encoding = encoded(frame, data.draw(names))
    spoilt = bytearray(payload.tobytes())
    for _ in range(data.draw(st.integers(1, 4))):
        if spoilt:
            spoilt[data.draw(st.integers(0, min(len(spoilt), 64) - 1))] = data.draw(st.integers(0, 255))
    spoilt = spoilt[: data.draw(st.integers(0, len(spoilt)))] + data.draw(st.binary(max_size=9))
    try:
        found = decoded(np.frombuffer(bytes(spoilt), np.uint8), encoding)
    except DecodingError:
        return  # anything else, or the end of the process, is not
    assert (found.dtype, found.shape) == (frame.dtype, frame.shape)


@pytest.mark.parametrize("name", sorted(CODECS))
def test_a_payload_that_was_cut_is_refused_wherever(name: str) -> None:
    frame = np.random.default_rng(2).poisson(9, (33, 131)).astype("<u4")
    payload, encoding = encoded(frame, name)
    for length in [*range(40), *range(40, len(payload), 97), len(payload) - 1]:
        with pytest.raises(DecodingError, match=f"{name}, {length} bytes: "):
            decoded(payload[:length], encoding)


@pytest.mark.parametrize("name", sorted(CODECS))
@pytest.mark.parametrize("shape", [(100, 99), (101, 100), (2**14, 2**14)], ids=["less", "more", "much more"])
def test_an_array_of_another_size_than_said_is_refused_at_no_cost(name: str, shape: tuple[int, ...]) -> None:
    payload, encoding = encoded(np.zeros((100, 100), "<u2"), name)
    tracemalloc.start()
    try:
        with pytest.raises(DecodingError):
            decoded(payload, Encoding(name, encoding.dtype, shape))
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 1 << 20 or name == "zstd"  # which need not say how much it is; what it gets is never filled


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        (Encoding("own", "<u2", (2,)), r"own, 9 bytes: this is none of what can be decoded \(bslz4, .*buffers has"),
        (Encoding("lz4"), "nobody said of which dtype and shape"),
        (Encoding("lz4", "nonsense", (2,)), "'nonsense' is no dtype"),
        (Encoding("lz4", "O", (2,)), "arrays of 'O' cannot be"),
        (Encoding("lz4", "<u2", (-2, -2)), r"shape \(-2, -2\) cannot be"),
        (Encoding("zstd", "<u2", (2**20, 2**20)), f"{MAX_BYTES} are allowed"),
        (Encoding("bslz4", "<u2", (2**14, 2**14)), "bytes where shape|more than LZ4 makes"),
    ],
)
def test_what_cannot_be_decoded_says_why(encoding: Encoding, text: str) -> None:
    with pytest.raises(DecodingError, match=text):
        decoded(np.zeros(9, np.uint8), encoding)


def test_nothing_is_encoded_by_a_codec_that_is_none() -> None:
    with pytest.raises(DecodingError, match="no codec 'zip'; there are bslz4"):
        encoded(np.zeros(3), "zip")
