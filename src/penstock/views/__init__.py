"""What a reducer publishes: named arrays and values that are sliceable while they grow."""

from penstock.views.array_view import ArrayView, Axis
from penstock.views.tree import array_of, attributes_of, snapshot, walk

__all__ = ["ArrayView", "Axis", "array_of", "attributes_of", "snapshot", "walk"]
