"""``from WorkerProcess import WorkerProcess``, as users of rta-dp write it."""

from penstock.compat.rtadp.workers import WorkerProcess

__all__ = ["WorkerProcess"]
