"""By what the streams of a join belong together, and the parts of an event builder that follow from it."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from penstock.core.decoder import Traits
from penstock.core.inlet import Inlet, Phase
from penstock.core.join import Incomplete, Join
from penstock.core.ledger import Entry
from penstock.core.number_join import NumberJoin
from penstock.core.numbering import ByKey, ByPlace, ByTime, Numbering
from penstock.core.time_join import Rule, TimeJoin
from penstock.core.timestamp import NS_PER_S
from penstock.core.tracker import Tracker
from penstock.core.trigger_map import TriggerMap

__all__ = ["JoinRule", "make_inlet", "make_join"]


class JoinRule(msgspec.Struct, frozen=True, kw_only=True):
    """By what the streams of a join belong together."""

    by: Literal["order", "key", "timestamp", "trigger-map"] = "order"
    incomplete: Incomplete = "pass"
    wait_s: float = 2.0
    """How long a stream may be silent while messages of others wait for it; one that lags, and comes, is waited for."""
    check_keys: bool = True
    """By order and trigger map: a number that is missing keeps its place free."""
    reorder: int = 0
    """How many messages one may be overtaken by within its stream."""
    step: int = 1
    """By key: distance of consecutive keys, so that only others count as gaps."""
    ranges: tuple[str, ...] = ()
    """Streams that may give several messages to one event."""
    hold: tuple[str, ...] = ()
    """By timestamp: streams whose latest value holds until the next."""
    hold_wait_s: float = 0.1
    """By timestamp: how long an event waits to see whether a newer held value comes."""
    window_ms: float = 0.0
    """By timestamp: how far from the event a message may be."""


def make_join(
    name: str, streams: tuple[str, ...], entries: Sequence[Entry], rule: JoinRule, trigger_map: TriggerMap | None
) -> Join:
    """Make the join of a rule."""
    if rule.by == "timestamp":
        rules: dict[str, Rule] = dict.fromkeys(streams[1:], "nearest")
        rules |= dict.fromkeys(rule.hold, "hold")
        rules |= dict.fromkeys(rule.ranges, "range")
        window_ns = round(rule.window_ms * 1_000_000)
        hold_wait_ns = round(rule.hold_wait_s * NS_PER_S)
        return TimeJoin(
            name, streams, entries, rule.incomplete, rules=rules, window_ns=window_ns, hold_wait_ns=hold_wait_ns
        )
    return NumberJoin(
        name,
        streams,
        entries,
        rule.incomplete,
        is_renumbered=rule.by == "key",
        ranges=frozenset(rule.ranges),
        trigger_map=trigger_map,
    )


def make_inlet(
    stream: str, traits: Traits, entry: Entry, rule: JoinRule, trigger_map: TriggerMap | None, is_wrapped: bool
) -> Inlet:
    """Make the way of one stream into the join of a rule."""
    many = stream in rule.ranges or stream in rule.hold
    numbering: Numbering
    if rule.by == "timestamp":
        tracker = Tracker(entry, reorder=rule.reorder, many=many, step=0)
        numbering = ByTime()
    elif rule.by == "key":
        first = None if traits.first is None else traits.first - (1 << 63)
        tracker = Tracker(entry, reorder=rule.reorder, many=many, step=rule.step, first=first, shown_from=1 << 63)
        numbering = ByKey()
    else:
        tracker = Tracker(entry, reorder=rule.reorder, first=0)
        numbering = ByPlace(entry, first=traits.first, check_keys=rule.check_keys)
    inlet = Inlet(stream, entry, traits, numbering, tracker, trigger_map)
    if not is_wrapped:
        inlet.phase = Phase.RUNNING
    return inlet
