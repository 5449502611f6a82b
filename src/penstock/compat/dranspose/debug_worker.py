"""Workers that only look on: a stage that keeps the last events, as events of dranspose's."""

from typing import Final

from penstock.compat.dranspose.events import event_data
from penstock.compat.dranspose.pipelines import Pool
from penstock.compat.dranspose.served.event import EventData
from penstock.core.event import Event

__all__ = ["DEBUG", "KEPT", "debug_pool", "events_data"]

DEBUG: Final = "debug"
"""The name of their stage, and their tag."""
KEPT: Final = 50
"""Events of each."""
MOST_MB: Final = 1000.0


def debug_pool(workers: int) -> Pool:
    """Return the pool of so many debug workers; what they keep lies together."""
    use = "penstock.elements.workers.keep_events:KeepEvents"
    arguments = {"n": KEPT * workers, "most_mb": MOST_MB}
    return Pool(use=use, workers=workers, tags=(DEBUG,), name=DEBUG, arguments=arguments)


def events_data(events: list[Event]) -> list[EventData]:
    """Return kept events as dranspose has them, in the order of their numbers, each once."""
    found = {data.event_number: data for data in map(event_data, events)}
    return [found[number] for number in sorted(found)]
