"""Views that changed are told together, the last version only, and not too often."""

from penstock.services.changed_views import CHANGED_NS, ChangedViews
from penstock.wire.supervision import Changed


def test_the_last_version_is_told_when_it_is_time() -> None:
    views = ChangedViews()
    assert views.take_due(0) == ()
    views.note("sum", 1)
    now = CHANGED_NS
    assert views.take_due(now) == [Changed("sum", 1)]
    views.note("sum", 2)
    views.note("map", 7)
    views.note("sum", 3)
    assert views.due_ns == now + CHANGED_NS
    assert views.take_due(now + CHANGED_NS - 1) == ()
    assert views.take_due(now + CHANGED_NS) == [Changed("sum", 3), Changed("map", 7)]
    assert views.take_due(now + 9 * CHANGED_NS) == ()


def test_at_the_end_it_is_told_early() -> None:
    views = ChangedViews()
    views.note("sum", 1)
    views.take_due(CHANGED_NS)
    views.note("sum", 2)
    assert views.take(CHANGED_NS + 1) == [Changed("sum", 2)]
    assert views.due_ns is None
