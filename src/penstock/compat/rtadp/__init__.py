"""The front door for users of rta-dp: their configurations are run and converted, and their classes work unchanged."""

from penstock.compat.rtadp.control import Control
from penstock.compat.rtadp.data import Data, Queued, Topic
from penstock.compat.rtadp.worker import Worker

__all__ = ["Control", "Data", "Queued", "Topic", "Worker"]
