"""A lease keeps, through lending and parting, all that is said of its rows."""

import numpy as np
from msgspec.structs import fields

from penstock.core.lease import Lease


def test_lending_changes_nothing_but_number_and_time() -> None:
    lease: Lease[str] = Lease(
        id=0, worker="w", lane="high", batch="rows", rows=slice(1, 3), size=2, given_ns=0, streams=np.array([1, 2]),
        copies=np.array([0, 1]), attempts=2, again=True, submission=4,
    )  # fmt: skip
    lent = lease.lent(7, 9)
    assert (lent.id, lent.given_ns) == (7, 9)
    for field in fields(Lease):
        if field.name not in ("id", "given_ns"):
            assert getattr(lent, field.name) is getattr(lease, field.name), field.name


def test_a_part_is_still_what_a_dead_worker_had() -> None:
    lease: Lease[str] = Lease(
        id=3, worker="w", lane="", batch="rows", rows=slice(1, 4), size=3, given_ns=0, attempts=2, again=True
    )
    part = lease.part(1, 3)
    assert (part.rows, part.size, part.attempts, part.again) == (slice(2, 4), 2, 2, True)
