"""``from Supervisor import Supervisor``, as users of rta-dp write it."""

from penstock.compat.rtadp.supervisor import Supervisor

__all__ = ["Supervisor"]
