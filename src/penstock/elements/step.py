"""The step: one link of a chain, an item in and an item or nothing out. It keeps nothing that another run needs."""

from penstock.elements.instance import Instance

__all__ = ["Step"]


class Step(Instance):
    """A function ``f(item, …)``, or an object that can be called and may have hooks.

    ``call`` returns the item for the next step, or ``None``, which counts as filtered.
    """

    kind = "step"
