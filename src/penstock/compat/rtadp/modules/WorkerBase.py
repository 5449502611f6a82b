"""``from WorkerBase import WorkerBase``, as users of rta-dp write it."""

from penstock.compat.rtadp.workers import WorkerBase

__all__ = ["WorkerBase"]
