"""What tests of values share: any value that user code may return, and whether two are equal in type and content."""

import dataclasses
from dataclasses import dataclass
from datetime import UTC, timedelta, timezone
from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as nst

from penstock.core.timestamp import Timestamp
from penstock.core.values import register


@dataclass(frozen=True, slots=True)
class Peak:
    energy: float
    counts: Any


register(Fraction, lambda f: [f.numerator, f.denominator], lambda pair: Fraction(*pair))


def same(a: Any, b: Any) -> bool:
    """Whether two values are equal in type and content, NaN being itself."""
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray | np.generic):
        return bool(a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes())
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return same(list(a.items()), list(b.items()))
    if isinstance(a, Peak):
        return same(dataclasses.astuple(a), dataclasses.astuple(b))
    return bool(a == b or (a != a and b != b) or isinstance(a, complex))


dtypes = st.one_of(
    nst.scalar_dtypes(), nst.byte_string_dtypes(), nst.unicode_string_dtypes(), nst.array_dtypes(allow_subarrays=True)
)
arrays = dtypes.flatmap(lambda dtype: nst.arrays(dtype, nst.array_shapes(min_dims=0, min_side=0, max_side=3)))
zones = st.sampled_from([None, UTC, timezone(timedelta(hours=-3, minutes=30))])
hashable = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), st.binary(), st.dates(),
    st.datetimes(timezones=zones), st.timedeltas(), st.integers(-(2**63), 2**63 - 1).map(Timestamp), st.fractions(),
)  # fmt: skip
values = st.recursive(
    st.one_of(
        hashable, st.floats(), st.complex_numbers(), arrays,
        st.sets(hashable, max_size=3), st.frozensets(hashable, max_size=3),
        nst.from_dtype(np.dtype(np.float32)), nst.from_dtype(np.dtype("M8[us]")),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(st.text(), inner, max_size=4),
        st.dictionaries(hashable, inner, max_size=4),
        st.builds(Peak, st.floats(), inner),
    ),
    max_leaves=8,
)  # fmt: skip
