"""The parameters of a run of processes: changed when the event builder has said from which event on that holds."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from penstock.core.parameters import Change, Parameters
from penstock.core.timestamp import Timestamp
from penstock.elements.user_code import validate
from penstock.services.builder_line import BuilderLine
from penstock.services.element_orders import plain
from penstock.wire.supervision import SetParameters, WasSet
from penstock.wire.values import encode_value

__all__ = ["AskedChanges"]


class AskedChanges:
    """Asks the event builder for changes of parameters, and keeps their history.

    Parameters
    ----------
    parameters
        Of the run, with its start values.
    builder
        Who is asked.
    """

    def __init__(self, parameters: Parameters, builder: BuilderLine) -> None:
        self._parameters, self._builder = parameters, builder
        self._unanswered = 0

    def ask(self, values: Mapping[str, Any], then: Callable[[Change], None], who: str = "") -> None:
        """Change parameters, from the next event on; ``then`` is called when that is known.

        Raises
        ------
        ParameterError
            If one is unknown or refused; then none is changed.
        """
        parameters = self._parameters
        found = {parameters.find(name): value for name, value in values.items()}
        valid = {parameter.address: validate(parameter, value) for parameter, value in found.items()}
        revision = parameters.latest.revision + 1 + self._unanswered
        when = Timestamp(time.time_ns())

        def set_them(word: WasSet) -> None:
            self._unanswered -= 1
            then(parameters.set(valid, from_event=word.from_event, who=who, when=when))

        number = self._builder.number(set_them)
        self._unanswered += 1
        raw = msgspec.Raw(encode_value(plain({parameter.address: value for parameter, value in found.items()})))
        self._builder.say(SetParameters(number, revision, raw))
