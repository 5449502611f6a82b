"""Alarms: from a condition that holds or does not to something somebody is told of, acknowledges, and sees end.

Pure: whoever uses it says what holds and what time it is. It evaluates no condition and tells nobody.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Literal

from penstock.core.suggest import did_you_mean
from penstock.core.timestamp import NS_PER_S
from penstock.errors import StateError

__all__ = [
    "LEVELS",
    "Alarm",
    "AlarmChange",
    "AlarmLevel",
    "AlarmRule",
    "AlarmState",
    "Alarms",
    "UnknownAlarmError",
    "in_one_line",
]

AlarmLevel = Literal["info", "warning", "error"]
LEVELS: Final = ("info", "warning", "error")
"""From the least on."""
MOST_CHANGES: Final = 1000
"""Of the history."""


class UnknownAlarmError(StateError):
    """No alarm has this name."""


class AlarmState(StrEnum):
    """Where an alarm is."""

    NORMAL = "normal"
    """Its condition does not hold, or not for long enough."""
    RAISED = "raised"
    """It holds, and nobody has said that they know."""
    ACKNOWLEDGED = "acknowledged"
    """It holds, and somebody knows."""
    RETURNED = "returned"
    """It does not hold any more, and nobody has said that they saw it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmRule:
    """When there is an alarm, and how grave it is."""

    name: str
    level: AlarmLevel = "warning"
    for_s: float = 0.0
    """How long the condition has to hold."""
    clear_s: float = 0.0
    """How long it has to be over."""
    latch: bool = False
    """Whether it stays until somebody acknowledges it, also when the condition is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmChange:
    """One line of the history."""

    alarm: str
    what: str
    """``raised``, ``returned``, ``cleared``, ``acknowledged``, ``muted`` or ``unmuted``."""
    level: AlarmLevel
    when_ns: int
    """UTC."""
    text: str = ""
    """What is the matter, in words."""
    who: str = ""
    """Of what somebody did."""
    is_told: bool = True
    """Whether others are to be told: not while it is muted."""


@dataclass(slots=True)
class Alarm:
    """One alarm.

    >>> alarm = Alarm(AlarmRule(name="no_beam", for_s=10))
    >>> alarm.look(is_met=True, is_over=False, now_ns=0)
    >>> change = alarm.look(is_met=True, is_over=False, now_ns=10 * NS_PER_S, text="I0 is 0")
    >>> change.what, alarm.state.value
    ('raised', 'raised')
    """

    rule: AlarmRule
    state: AlarmState = AlarmState.NORMAL
    text: str = ""
    """What was the matter when it was last raised."""
    raised_ns: int = 0
    """When it was last raised, UTC."""
    acknowledged_by: str = ""
    muted_until_ns: int = 0
    """It is muted before; 0 if it is not."""
    muted_by: str = ""
    times: int = 0
    """How often it was raised."""
    _since_ns: int | None = None
    """Since when the condition for the next change has held."""

    @property
    def is_active(self) -> bool:
        """Whether its condition holds."""
        return self.state in (AlarmState.RAISED, AlarmState.ACKNOWLEDGED)

    def is_muted(self, now_ns: int) -> bool:
        """Whether nobody is to be told of it."""
        return now_ns < self.muted_until_ns

    def look(self, *, is_met: bool, is_over: bool, now_ns: int, text: str = "") -> AlarmChange | None:
        """Take note of how things are; return what has changed.

        Parameters
        ----------
        is_met
            Whether the condition for it holds.
        is_over
            Whether the condition for its end holds; where one of both is not known, it does not.
        now_ns
            UTC; never before an earlier one.
        text
            What is the matter.
        """
        if not (is_over if self.is_active else is_met):
            self._since_ns = None
            return None
        if self._since_ns is None:
            self._since_ns = now_ns
        patience_s = self.rule.clear_s if self.is_active else self.rule.for_s
        if now_ns - self._since_ns < patience_s * NS_PER_S:
            return None
        self._since_ns = None
        if not self.is_active:
            self.state, self.text, self.raised_ns, self.acknowledged_by = AlarmState.RAISED, text, now_ns, ""
            self.times += 1
            return self._change("raised", now_ns)
        if self.rule.latch and self.state is AlarmState.RAISED:
            self.state = AlarmState.RETURNED
            return self._change("returned", now_ns)
        self.state = AlarmState.NORMAL
        return self._change("cleared", now_ns)

    def acknowledge(self, now_ns: int, who: str) -> AlarmChange | None:
        """Say that somebody knows; ``None`` if that was said already.

        Raises
        ------
        StateError
            If there is nothing to acknowledge.
        """
        if self.state is AlarmState.ACKNOWLEDGED:
            return None
        if self.state is AlarmState.NORMAL:
            raise StateError(f"alarm {self.rule.name} is normal; there is nothing to acknowledge")
        is_active, self.acknowledged_by = self.is_active, who
        self.state = AlarmState.ACKNOWLEDGED if is_active else AlarmState.NORMAL
        return self._change("acknowledged", now_ns, who)

    def mute(self, now_ns: int, for_s: float, who: str) -> AlarmChange:
        """Tell nobody for so long; 0 s: tell again from now on."""
        self.muted_until_ns = now_ns + round(for_s * NS_PER_S) if for_s > 0 else 0
        self.muted_by = who if for_s > 0 else ""
        return self._change("muted" if for_s > 0 else "unmuted", now_ns, who)

    def _change(self, what: str, now_ns: int, who: str = "") -> AlarmChange:
        return AlarmChange(
            alarm=self.rule.name, what=what, level=self.rule.level, when_ns=now_ns, text=self.text, who=who,
            is_told=not self.is_muted(now_ns),
        )  # fmt: skip


def in_one_line(alarms: Sequence[Mapping[str, Any]]) -> str:
    """Say of alarms, as they are described, how many there are, and how those are that are not normal.

    >>> in_one_line([{"name": "hot", "state": "raised"}, {"name": "no_beam", "state": "normal"}])
    '2 alarms: hot is raised'
    >>> in_one_line([{"name": "no_beam", "state": "normal"}])
    '1 alarm, normal'
    """
    count = f"{len(alarms)} alarm{'' if len(alarms) == 1 else 's'}"
    asked = [f"{each['name']} is {each['state']}" for each in alarms if each["state"] != AlarmState.NORMAL]
    return f"{count}: {', '.join(asked)}" if asked else f"{count}, normal" if alarms else "no alarms"


@dataclass(slots=True)
class Alarms:
    """All alarms of a pipeline, and what has happened to them."""

    rules: Sequence[AlarmRule]
    history: deque[AlarmChange] = field(default_factory=lambda: deque(maxlen=MOST_CHANGES))
    """The newest last."""
    _alarms: dict[str, Alarm] = field(init=False)

    def __post_init__(self) -> None:
        self._alarms = {rule.name: Alarm(rule) for rule in self.rules}

    def __iter__(self) -> Iterator[Alarm]:
        return iter(self._alarms.values())

    def __getitem__(self, name: str) -> Alarm:
        """Return one.

        Raises
        ------
        UnknownAlarmError
            If none has this name.
        """
        try:
            return self._alarms[name]
        except KeyError:
            raise UnknownAlarmError(f"no alarm is called {name!r}; {did_you_mean(name, self._alarms)}") from None

    @property
    def worst(self) -> AlarmLevel | None:
        """The gravest level of those whose condition holds."""
        return max((each.rule.level for each in self if each.is_active), key=LEVELS.index, default=None)

    def look(self, found: Mapping[str, tuple[bool, bool, str]], now_ns: int) -> list[AlarmChange]:
        """Take note of how things are: by alarm, whether it is met, whether it is over, and what is the matter."""
        changes = []
        for name, (is_met, is_over, text) in found.items():
            change = self[name].look(is_met=is_met, is_over=is_over, now_ns=now_ns, text=text)
            if change is not None:
                changes.append(change)
        self.history.extend(changes)
        return changes

    def acknowledge(self, name: str, now_ns: int, who: str = "") -> AlarmChange | None:
        """Say that somebody knows of one; raises as ``Alarm.acknowledge``, or because none has this name."""
        change = self[name].acknowledge(now_ns, who)
        if change is not None:
            self.history.append(change)
        return change

    def mute(self, name: str, now_ns: int, for_s: float, who: str = "") -> AlarmChange:
        """Tell nobody of one for so long; raises if none has this name."""
        change = self[name].mute(now_ns, for_s, who)
        self.history.append(change)
        return change
