"""When sinks are told to wait no longer: never while anything gets on, and once."""

from penstock.services.strands.last_sinks import PATIENCE_NS, SPARE_NS, STOPPING_NS, LastSinks


def test_nobody_is_hastened_while_items_are_taken() -> None:
    last = LastSinks({"out"})
    for k in range(20):
        assert not last.is_due({"out"}, done=k, now=k * PATIENCE_NS * 9 // 10)


def test_nor_while_others_work() -> None:
    last = LastSinks({"out"})
    assert not any(last.is_due({"out", "s"}, done=1, now=k * PATIENCE_NS) for k in range(5))
    assert not last.is_due({"out"}, done=1, now=5 * PATIENCE_NS - 1)
    assert last.is_due({"out"}, done=1, now=6 * PATIENCE_NS)


def test_who_is_asked_to_end_has_less_patience() -> None:
    last, until = LastSinks({"out"}), 10 * PATIENCE_NS
    assert not last.is_due({"out"}, done=0, now=1, until=until)
    assert last.is_due({"out"}, done=0, now=STOPPING_NS + 1, until=until)
    assert not last.is_due({"out"}, done=0, now=STOPPING_NS * 2, until=until)


def test_before_time_is_over_whatever_gets_on() -> None:
    last, until = LastSinks({"out"}), 10 * PATIENCE_NS
    assert not last.is_due({"out", "s"}, done=0, now=until - SPARE_NS - 1, until=until)
    assert last.is_due({"out", "s"}, done=1, now=until - SPARE_NS, until=until)
