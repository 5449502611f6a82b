"""The changes of parameters in one run: from which event on each stage has which, and who is told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from penstock.services.merge_room import MergeRoom
from penstock.services.peer import Peer
from penstock.services.remote_source import RemoteSource
from penstock.services.remote_stage import RemoteStage
from penstock.services.settled_join import SettledJoin
from penstock.services.wiring import Wiring
from penstock.wire.envelopes import Change

__all__ = ["ParameterChanges"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterChanges:
    """Every revision that came after the first.

    What comes from different joins or instruments has different numbers, so that each stage has a first event of its
    own.
    """

    wiring: Wiring
    sources: Mapping[str, RemoteSource]
    merges: Mapping[str, MergeRoom]
    joins: Mapping[str, SettledJoin]
    """Those that form something already."""
    stages: Mapping[str, RemoteStage]
    join_names: Sequence[str]
    """Of all joins."""
    kept_ids: Mapping[str, int]
    """Of a run that goes on, the last message of each source that was kept."""
    by_stage: dict[str, list[Change]] = field(default_factory=dict)
    """What is known already: of a recorded run, all of them."""

    def tell(self, peer: Peer) -> None:
        """Tell a process all changes of its stage."""
        for change in self.by_stage.get(peer.of, ()):
            peer.say(change)

    def set(self, revision: int, values: msgspec.Raw) -> tuple[int, dict[str, int]]:
        """Let a revision hold from the next event on, and tell everybody; return from which one on.

        Returns
        -------
        tuple
            The event as whoever asked is told it, and the one of each stage.
        """
        following = self._following()
        firsts = {}
        renumbering = {name for name, stage in self.stages.items() if stage.renumbers}
        for name, stage in self.stages.items():
            changes = self.by_stage.setdefault(name, [])
            from_event = max(following[root] for root in self.wiring.roots(name, renumbering))
            change = Change(revision, max(from_event, changes[-1].from_event if changes else 0), values)
            changes.append(change)
            firsts[name] = change.from_event
            for peer in stage.peers.values():
                peer.say(change)
        return max((following[name] for name in self.joins or self.sources), default=0), firsts

    def _following(self) -> dict[str, int]:
        """Return, for whatever numbers things, a number above all that it has given."""
        sources = {name: max(source.last_id, self.kept_ids.get(name, 0)) + 1 for name, source in self.sources.items()}
        merges = {name: merge.next_number for name, merge in self.merges.items()}
        joins = dict.fromkeys(self.join_names, 0)
        steps = {name: stage.next_number for name, stage in self.stages.items() if stage.renumbers}
        formed = {name: join.builder.next_number for name, join in self.joins.items()}
        return {**sources, **merges, **joins, **formed, **steps}
