"""The parameters of a run: which values were in force for which event, and who changed them when.

A pure object. It never reads a clock and knows no validation library: both come in. Every event sees exactly one
immutable set with one revision, and the recorded changes alone give the same sets again.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, Self

from penstock.core.parameter import Parameter
from penstock.core.timestamp import Timestamp
from penstock.errors import ParameterError

__all__ = ["Change", "ParameterSet", "Parameters", "Validate"]

Validate = Callable[[Parameter, Any], Any]
"""Return the value to use, or raise ``ParameterError``."""

EPOCH = Timestamp(0)

NO_CHANGE: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class ParameterSet(Mapping[str, Any]):
    """The values in force for some events, by address; never changes."""

    revision: int = 0
    """0 for the start values; one more for each change."""
    values_by_address: Mapping[str, Any] = field(default_factory=dict)

    def __getitem__(self, address: str) -> Any:  # of the type the user declared
        return self.values_by_address[address]

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_by_address)

    def __len__(self) -> int:
        return len(self.values_by_address)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One revision: what was set, by whom, when, and from which event on."""

    revision: int
    from_event: int
    """The first event that sees it."""
    values: Mapping[str, Any]
    """By address: only what was set; in the oldest change kept, every value."""
    who: str
    when: Timestamp


class Parameters:
    """Declared parameters and the history of their values.

    Parameters
    ----------
    declared
        Every parameter of a pipeline; addresses are unique.
    start
        Values to begin with, by address or by any shorter form that names one parameter only; else defaults.
    validate
        Called with every value given, never with defaults.
    keep
        How many changes are remembered; older ones are folded into the oldest kept.

    Raises
    ------
    ParameterError
        If a start value names no parameter, or more than one, or is not allowed.
    """

    def __init__(
        self,
        declared: Iterable[Parameter],
        start: Mapping[str, Any] = NO_CHANGE,
        *,
        validate: Validate,
        keep: int = 1000,
        when: Timestamp = EPOCH,
    ) -> None:
        self._declared = {parameter.address: parameter for parameter in declared}
        self._validate = validate
        self._keep = max(1, keep)
        values = {address: parameter.default for address, parameter in self._declared.items()}
        values |= self._validated(start)
        self._asked: dict[str, int] = {}
        """By whoever asks, the highest event asked for."""
        self._begin(Change(revision=0, from_event=0, values=MappingProxyType(values), who="start", when=when))

    @classmethod
    def replay(cls, declared: Iterable[Parameter], history: Sequence[Change], *, validate: Validate) -> Self:
        """Build the same sets again from a ``history``, however far back it reaches."""
        again = cls(declared, validate=validate, keep=max(len(history), 1000))
        again._begin(history[0])
        for change in history[1:]:
            again._append(change)
        return again

    def __iter__(self) -> Iterator[Parameter]:
        return iter(self._declared.values())

    def __len__(self) -> int:
        return len(self._declared)

    @property
    def latest(self) -> ParameterSet:
        """The set that events yet to come will see."""
        return self._sets[-1]

    @property
    def last_start(self) -> int:
        """The first event that sees the latest set."""
        return self._starts[-1]

    @property
    def history(self) -> tuple[Change, ...]:
        """The changes remembered, oldest first; the first holds every value."""
        return tuple(self._changes)

    def find(self, name: str) -> Parameter:
        """Return the parameter an address, or the end or outline of one, means.

        ``fit.FitSpectrum.roi``, ``fit.roi`` and ``roi`` are the same as long as only one parameter answers.

        Raises
        ------
        ParameterError
            If none answers, or several do.
        """
        if name in self._declared:
            return self._declared[name]
        found = [parameter for parameter in self._declared.values() if _answers(parameter, name)]
        if len(found) == 1:
            return found[0]
        if found:
            addresses = ", ".join(parameter.address for parameter in found)
            raise ParameterError(f'parameter "{name}" could be any of {addresses}; write the whole address')
        raise ParameterError(f'no parameter "{name}"; {self._proposal(name)}')

    def set(self, values: Mapping[str, Any], *, from_event: int, who: str, when: Timestamp) -> Change:
        """Set some values together, as one revision.

        Events before ``from_event`` are not touched. A boundary earlier than that of the last change is moved to it:
        what was promised to an event is kept.

        Raises
        ------
        ParameterError
            If any name or value is refused; then nothing is set.
        """
        change = Change(
            revision=self.latest.revision + 1,
            from_event=max(from_event, self._starts[-1]),
            values=MappingProxyType(self._validated(values)),
            who=who,
            when=when,
        )
        self._append(change)
        # Where nobody asks, as where changes are only passed on, all count.
        self._forget(behind=self._seen if self._asked else None)
        return change

    def follow(self, revision: int, from_event: int, values: Mapping[str, Any]) -> None:
        """Take over a revision that was decided elsewhere, of whose values others may not be declared here.

        It may be known long before its event comes, as all are in a replay: only changes before those that everybody
        who asks has seen are counted and forgotten.

        Raises
        ------
        ParameterError
            If a value is refused.
        """
        own = {address: value for address, value in values.items() if address in self._declared}
        valid = MappingProxyType(self._validated(own))
        self._append(Change(revision=revision, from_event=from_event, values=valid, who="", when=EPOCH))
        self._forget(behind=self._seen)

    def at(self, event_number: int, asker: str = "") -> ParameterSet:
        """Return the set an event sees.

        Parameters
        ----------
        asker
            Who asks; what the slowest has still to ask for is not forgotten.

        Raises
        ------
        ParameterError
            If the event is older than the history.
        """
        self._asked[asker] = max(self._asked.get(asker, event_number), event_number)
        position = bisect_right(self._starts, event_number) - 1
        if position < 0:
            raise ParameterError(
                f"parameters for event {event_number} are forgotten; the history begins at event {self._starts[0]}"
            )
        return self._sets[position]

    @property
    def _seen(self) -> int:
        """How many changes come before those that everybody who asks has seen."""
        return max(0, bisect_right(self._starts, min(self._asked.values())) - 1) if self._asked else 0

    def _begin(self, base: Change) -> None:
        self._changes = [base]
        self._starts = [base.from_event]
        self._sets = [ParameterSet(base.revision, MappingProxyType(dict(base.values)))]

    def _append(self, change: Change) -> None:
        values = MappingProxyType({**self.latest.values_by_address, **change.values})
        self._changes.append(change)
        self._starts.append(change.from_event)
        self._sets.append(ParameterSet(change.revision, values))

    def _forget(self, behind: int | None = None) -> None:
        """Fold the oldest changes together, if there are more than are kept.

        Parameters
        ----------
        behind
            How many changes count, from the oldest on; by default all.
        """
        surplus = (len(self._changes) if behind is None else behind) - self._keep
        if surplus <= 0:
            return
        del self._changes[:surplus], self._starts[:surplus], self._sets[:surplus]
        oldest = self._changes[0]
        self._changes[0] = Change(
            revision=oldest.revision,
            from_event=oldest.from_event,
            values=self._sets[0].values_by_address,
            who=oldest.who,
            when=oldest.when,
        )

    def _validated(self, values: Mapping[str, Any]) -> dict[str, Any]:
        parameters = {name: self.find(name) for name in values}
        return {parameter.address: self._validate(parameter, values[name]) for name, parameter in parameters.items()}

    def _proposal(self, name: str) -> str:
        if not self._declared:
            return "this pipeline has none"
        near = get_close_matches(name, [*self._declared, *(p.name for p in self._declared.values())], n=1)
        return f'did you mean "{near[0]}"?' if near else f"there are {', '.join(self._declared)}"


def _answers(parameter: Parameter, name: str) -> bool:
    stage, _, rest = parameter.address.partition(".")
    return parameter.address.endswith(f".{name}") or name in (f"{stage}.{parameter.name}", f"{stage}.{rest}")
