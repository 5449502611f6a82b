"""The front door for users of SNAP: their files are read, run, and converted to pipelines."""

from penstock.compat.snap.parallel import Parallel
from penstock.compat.snap.recipe import made

__all__ = ["Parallel", "made"]
