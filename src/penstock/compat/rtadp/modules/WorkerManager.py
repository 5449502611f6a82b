"""``from WorkerManager import WorkerManager``, as users of rta-dp write it."""

from penstock.compat.rtadp.manager import WorkerManager

__all__ = ["WorkerManager"]
