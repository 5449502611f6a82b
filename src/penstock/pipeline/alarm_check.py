"""What is wrong with the alarms of a pipeline: conditions that are none, and names of nothing."""

from collections.abc import Iterable, Iterator, Mapping

from penstock.core.suggest import did_you_mean, listed
from penstock.elements.text_template import TextTemplate
from penstock.elements.user_code import step_names
from penstock.errors import Problem
from penstock.monitor.metric_values import METRICS, RUN
from penstock.pipeline.condition import LAST, Condition
from penstock.pipeline.document import Document, Trail
from penstock.pipeline.spec import AlarmSpec, PipelineSpec

__all__ = ["alarm_problems"]


def alarm_problems(document: Document, spec: PipelineSpec, *, is_chains: bool) -> Iterator[Problem]:
    """Yield every mistake in ``alarms``.

    Parameters
    ----------
    is_chains
        Whether it is nothing but chains of plain values, of which results can be seen; of others only views can.
    """
    names = dict.fromkeys(spec.sources, "source") | dict.fromkeys(spec.sinks, "sink")
    names |= dict.fromkeys(spec.stages, "stage")
    checker = _Checker(document, spec, {RUN: RUN, **names}, is_chains=is_chains)
    for name, alarm in spec.alarms.items():
        yield from checker.of_alarm(name, alarm)


class _Checker:
    def __init__(self, document: Document, spec: PipelineSpec, kinds: Mapping[str, str], *, is_chains: bool) -> None:
        self._document = document
        self._spec = spec
        self._kinds = kinds
        self._is_chains = is_chains

    def of_alarm(self, name: str, alarm: AlarmSpec) -> Iterator[Problem]:
        """Yield what is wrong with one."""
        for key, text in (("when", alarm.when), ("until", alarm.until)):
            if text is not None:
                yield from self._condition(("alarms", name, key), text)
        if alarm.text is not None:
            try:
                TextTemplate(alarm.text)
            except ValueError as error:
                yield self._document.problem(("alarms", name, "text"), str(error))

    def _condition(self, trail: Trail, text: str) -> Iterator[Problem]:
        try:
            names = Condition(text, self._kinds).names
        except ValueError as error:
            yield self._document.problem(trail, str(error), 'write one such as "fit.in_per_s < 1"')
            return
        if not names:
            yield self._document.problem(trail, f'"{text}" reads nothing', 'write one such as "fit.in_per_s < 1"')
        for path in names:
            yield from self._name(trail, path)

    def _name(self, trail: Trail, path: tuple[str, ...]) -> Iterator[Problem]:
        name, rest = path[0], path[1:]
        kind = self._kinds.get(name)
        if kind is None:
            text = f'"{".".join(path)}" begins with no name of this pipeline'
            yield self._document.problem(trail, text, did_you_mean(name, self._kinds))
            return
        known = dict.fromkeys(METRICS[kind])
        if kind == "stage":
            yield from self._of_stage(trail, path, known)
        elif not rest:
            yield self._document.problem(trail, f'"{name}" is a {kind}, and no figure', _one_of(name, known))
        elif len(rest) > 1 or rest[0] not in known:
            text = f'"{".".join(path)}" is no figure of a {kind}'
            yield self._document.problem(trail, text, did_you_mean(rest[0], known))

    def _of_stage(self, trail: Trail, path: tuple[str, ...], known: Mapping[str, None]) -> Iterator[Problem]:
        stage, rest = path[0], path[1:]
        spec = self._spec.stages[stage]
        steps = step_names([thing.name for thing in spec.steps or ()])
        if not rest:
            yield self._document.problem(trail, f'"{stage}" is a stage, and no figure', _one_of(stage, known))
        elif rest[0] == LAST:
            if not self._is_chains and spec.kind != "reduce":
                text = f"the results of {stage} are not seen where alarms are looked after; only views are"
                remedy = "let a reducer publish the value, or raise a notice where it is computed"
                yield self._document.problem(trail, text, remedy)
        elif rest[0] in steps:
            if len(rest) != 2 or rest[1] not in METRICS["step"]:
                text = f'"{".".join(path)}" is no figure of a step'
                remedy = did_you_mean(rest[1] if len(rest) > 1 else "", METRICS["step"])
                yield self._document.problem(trail, text, remedy)
        elif len(rest) > 1 or rest[0] not in known:
            text = f'"{".".join(path)}" is no figure of a stage, and no step of {stage}'
            yield self._document.problem(trail, text, did_you_mean(rest[0], [*known, *steps, LAST]))


def _one_of(name: str, known: Iterable[str]) -> str:
    return f"name one, as in {name}.in_per_s; there are {listed(known, 'and')}"
