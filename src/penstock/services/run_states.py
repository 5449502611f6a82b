"""The states of everything long-lived in a run of processes: what each is at, why, and since when.

Who has died is seen at the very moment of asking. The event builder's word, up to a second old, counts only for who is
there; a stage follows from its workers, the pipeline from all.
"""

from collections.abc import Callable, Mapping, Sequence

from penstock.core import NS_PER_S
from penstock.core.run import Outcome, RunState
from penstock.core.states import State, state_of_chain, state_of_copies
from penstock.monitor.life import Life, Seen
from penstock.monitor.report import RunReport, StateReport
from penstock.pipeline.plan import Plan
from penstock.services.course import Course
from penstock.services.members import Member, Members
from penstock.wire.supervision import HELD

__all__ = ["RunStates"]

AT_WORK = (State.WAITING, State.PROCESSING)
LESS = (State.FAULT, State.DEGRADED, State.INITIALISED)


class RunStates:
    """Says in which state everything is.

    Parameters
    ----------
    plan, state, course
        Of the run.
    views
        Says what each sink of views is at.
    """

    def __init__(self, plan: Plan, state: RunState, course: Course, views: Callable[[], Mapping[str, State]]) -> None:
        self._plan = plan
        self._state = state
        self._course = course
        self._views = views
        self._lives: dict[tuple[str, str], Life] = {}

    def of_processes(self, members: Members | None, books: RunReport | None) -> dict[str, Seen]:
        """Return what every process of a source, worker, reducer or sink is at, by name."""
        said = {} if books is None else {each.name: State(each.state) for each in books.processes}
        return {member.name: self._of_process(members, member, said) for member in members or ()}

    def reports(
        self, members: Members | None, books: RunReport | None, processes: Mapping[str, Seen], now_s: float
    ) -> list[StateReport]:
        """Return the pipeline, sources, stages with their workers behind each, and sinks, in the order of the plan.

        Parameters
        ----------
        books
            What the event builder said last.
        processes
            As ``of_processes`` says.
        now_s
            On any clock that never goes back.
        """
        said = {} if books is None else {(each.kind, each.name): each for each in books.states}
        found: list[tuple[str, str, str, Seen]] = [
            ("source", name, "", self._of_source(said.get(("source", name)), processes.get(name)))
            for name in self._plan.sources
        ]
        for name in self._plan.stages:
            workers = [(each.name, processes[each.name]) for each in members or () if each.of == name]
            found.append(("stage", name, "", self._of_stage([state for _, state in workers], name, said)))
            found += [("worker", worker, name, state) for worker, state in workers]
        views = self._views()
        for name in self._plan.sinks:
            other = State.INITIALISED if self._course.ended_s is None else State.STOPPED
            found.append(("sink", name, "", processes.get(name) or (views.get(name, other), "")))
        whole = self._of_pipeline([each for each in found if each[0] != "worker"], said)
        return [self._report(*each, now_s) for each in (("pipeline", self._plan.name, "", whole), *found)]

    def _report(self, kind: str, name: str, of: str, found: Seen, now_s: float) -> StateReport:
        now = round(now_s * NS_PER_S)
        life = self._lives.setdefault((kind, name), Life(kind, name, of, now))
        life.see(found, now)
        return life.report(now)

    def _of_process(self, members: Members | None, member: Member, said: Mapping[str, State]) -> Seen:
        if member.given_up:
            return State.FAULT, member.given_up
        if self._course.ended_s is not None or (member.child is None and member.has_left):
            return State.STOPPED, ""
        if member.child is None and not member.last_death:
            return State.INITIALISED, ""
        if member.child is None:
            follows = "; another one takes its place soon" if member.due_s is not None else ""
            return State.FAULT, f"{member.last_death}{follows}"
        if member.has_left or (member.progress is not None and member.progress.has_left):
            return State.STOPPED, ""
        if members is not None and not members.is_alive(member):
            return State.FAULT, f"process {member.child.pid} has ended"
        if not member.is_entered:
            return State.INITIALISED, member.last_death
        state = said.get(member.name, State.WAITING)
        return (State.FINISHING if member.is_leaving and state in AT_WORK else state), ""

    def _of_source(self, said: StateReport | None, process: Seen | None) -> Seen:
        if said is not None and said.state == State.FAULT and said.why:
            return State.FAULT, said.why  # given up
        if self._course.ended_s is not None:
            return State.STOPPED, "" if said is None else said.why if said.state == State.STOPPED else ""
        if said is not None and said.state == State.STOPPED:
            return State.STOPPED, said.why  # its process stays for what it has read
        if process is None:
            return State.INITIALISED, ""
        if process[0] in AT_WORK and said is not None:
            return State(said.state), said.why
        return process

    def _of_stage(self, workers: Sequence[Seen], name: str, said: Mapping[tuple[str, str], StateReport]) -> Seen:
        state = state_of_copies(state for state, _ in workers)
        if state in LESS:
            return state, next((why for each, why in workers if why and each in (state, State.FAULT)), "")
        if state is State.WAITING and ("stage", name) in said:
            return state, said["stage", name].why
        return state, ""

    def _of_pipeline(
        self, found: Sequence[tuple[str, str, str, Seen]], said: Mapping[tuple[str, str], StateReport]
    ) -> Seen:
        reasons = "; ".join(self._state.reasons)
        if self._course.ended_s is not None:
            failed = self._state.prospect is Outcome.FAILED
            return (State.FAULT if failed else State.STOPPED), reasons or str(self._state.outcome)
        if not self._course.is_going:
            return State.INITIALISED, reasons
        own = said.get(("pipeline", self._plan.name))
        is_ending = own is not None and own.state == State.FINISHING
        if is_ending or self._course.is_closing or self._course.has_finished:
            return State.FINISHING, reasons
        state = state_of_chain(self._as_part(kind, name, each) for kind, name, _, (each, _) in found)
        if state in LESS:
            less = [(name, each, why) for _, name, _, (each, why) in found if each in LESS]
            return state, "; ".join(f"{name}: {why}" if why else f"{name} is {each}" for name, each, why in less)
        holdable = [why for kind, _, _, (_, why) in found if kind != "sink"]
        return state, HELD if state is State.WAITING and HELD in holdable else ""

    def _as_part(self, kind: str, name: str, state: State) -> State:
        """Return what a part is to the whole: without who is made anew, or whom others can do without, it is less."""
        if state is State.INITIALISED:
            return State.DEGRADED
        if state is State.FAULT and (kind == "source" or (kind == "sink" and self._plan.sinks[name].is_recorder)):
            return State.DEGRADED
        return state
