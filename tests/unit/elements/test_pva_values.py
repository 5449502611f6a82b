"""Values over PVAccess: what is said is what whoever reads gets, of every type."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from penstock.core.timestamp import NS_PER_S
from penstock.elements.ntndarray import message_of_ntndarray
from penstock.elements.pva_server import check_pva_address
from penstock.elements.pva_values import INVALID, PvaKind, Said, kind_of, pva_value, said_of, written_in
from penstock.errors import ResultTypeError
from penstock.views import ArrayView

pytest.importorskip("p4p", reason='no p4p on this machine; pip install "penstock[epics]"')

DTYPES = st.one_of(
    npst.boolean_dtypes(),
    npst.integer_dtypes(endianness="?"),
    npst.unsigned_integer_dtypes(endianness="?"),
    npst.floating_dtypes(sizes=(32, 64), endianness="?"),
)
NOW_NS = 1_700_000_000 * NS_PER_S + 7


@given(npst.arrays(DTYPES, npst.array_shapes(min_dims=0, max_dims=4, min_side=1, max_side=4)))
def test_arrays_arrive_as_they_were(array: Any) -> None:
    said = said_of(array, number=2**32 - 1)
    value = pva_value(said, NOW_NS)
    got = written_in(value, said.kind)
    np.testing.assert_array_equal(got, array)
    if array.ndim:
        assert got.dtype == array.dtype.newbyteorder("=")
    if array.ndim > 1:
        message = message_of_ntndarray(value, 0)
        assert message is not None
        np.testing.assert_array_equal(message.array, array)
        assert (message.key, message.timestamp_ns) == (2**32 - 1, NOW_NS)


@given(st.one_of(st.integers(-(2**63), 2**63 - 1), st.booleans(), st.floats(allow_nan=False), st.text()))
def test_scalars_arrive_as_they_were(value: Any) -> None:
    if isinstance(value, str):
        value = value.replace("\0", "")
    said = said_of(value, time_ns=5)
    whole = pva_value(said, NOW_NS)
    assert written_in(whole, said.kind) == value
    assert (whole["timeStamp.secondsPastEpoch"], whole["timeStamp.nanoseconds"]) == (0, 5)


def test_a_view_says_its_unit_its_title_and_its_bounds() -> None:
    view = ArrayView((3,), "f8", unit="counts", title="what came")
    value = pva_value(said_of(view, low=0, high=7, severity=INVALID, alarm="gone"), NOW_NS)
    assert value.getID() == "epics:nt/NTScalarArray:1.0"
    assert (value["display.units"], value["display.description"]) == ("counts", "what came")
    assert (value["display.limitHigh"], value["control.limitHigh"]) == (7, 7)
    assert (value["alarm.severity"], value["alarm.message"]) == (3, "gone")


def test_a_choice_is_written_by_its_text() -> None:
    said = Said(value=1, kind=PvaKind("enum"), choices=("fast", "slow"))
    value = pva_value(said, NOW_NS)
    assert written_in(value, said.kind) == "slow"
    value["value.index"] = 2
    with pytest.raises(ValueError, match="2 is no choice; there are fast, slow"):
        written_in(value, said.kind)


@pytest.mark.parametrize("value", [None, {}, 1j, [[1], [1, 2]], np.datetime64("2026-11-26"), 2**64, object()])
def test_what_epics_has_no_type_for_is_refused(value: Any) -> None:
    with pytest.raises(ResultTypeError):
        kind_of(value)


@pytest.mark.parametrize("address", ["", ":5", "a:b", "127.0.0.1:70000", "127.0.0.1:-1"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="is no address to serve PVAccess at"):
        check_pva_address(address)
