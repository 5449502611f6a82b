"""``from WorkerThread import WorkerThread``, as users of rta-dp write it."""

from penstock.compat.rtadp.workers import WorkerThread

__all__ = ["WorkerThread"]
