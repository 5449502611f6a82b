"""The trigger maps of a run of processes: what is appended is told to the event builder as soon as it forms events."""

import os
from collections.abc import Callable, Mapping

from penstock.core.map_reader import MapDocument
from penstock.core.trigger_map import TriggerMap
from penstock.errors import StateError
from penstock.pipeline.map_check import addition_for, no_such_map
from penstock.pipeline.plan import Plan
from penstock.services.blob import write_blob
from penstock.services.build import trigger_maps_of
from penstock.services.builder_line import BuilderLine
from penstock.wire.supervision import Extend
from penstock.wire.values import encode_value

__all__ = ["MapGrowth"]


class MapGrowth:
    """All trigger maps of one run.

    Parameters
    ----------
    plan
        Of the run.
    given
        By join, for those whose map comes with the scan.
    builder
        Who is told.
    """

    def __init__(self, plan: Plan, given: Mapping[str, TriggerMap], builder: BuilderLine) -> None:
        self._plan, self._given, self._builder = plan, given, builder
        self.maps: dict[str, TriggerMap] = {}
        """By join, with all that was appended."""
        self._waiting: list[tuple[int, str, bytes]] = []
        """What was appended and is not told yet."""

    def open(self) -> None:
        """Read every map.

        Raises
        ------
        CheckError
            If a join has none.
        """
        self.maps |= trigger_maps_of(self._plan, self._given)

    def extend(
        self,
        join: str,
        document: MapDocument,
        then: Callable[[TriggerMap | StateError], None],
        *,
        is_last: bool = False,
    ) -> None:
        """Append to an open map; ``tell`` says so to the event builder.

        Raises
        ------
        MapError
            If it is wrong, or the map is closed; then nothing has changed.
        ServiceError
            If no such join is by trigger map.
        """
        if join not in self.maps:
            raise no_such_map(join, self.maps)
        found = self.maps[join]
        addition = addition_for(self._plan, join, found, document, is_last=is_last)
        found.add(addition)
        number = self._builder.number(lambda word: then(StateError(word.problem) if word.problem else found))
        self._waiting.append((number, join, encode_value(addition.table())))

    def tell(self) -> None:
        """Tell the event builder what was appended since."""
        waiting, self._waiting = self._waiting, []
        for number, join, table in waiting:
            fd = write_blob("map", table)
            try:
                self._builder.say(Extend(number, join), fds=[fd])
            finally:
                os.close(fd)
