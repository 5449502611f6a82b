"""User code of the serial crystallography example."""


class HitRate:
    """How many of the images are hits."""

    def __init__(self) -> None:
        self.views = {"images": 0, "hits": 0}

    def reduce(self, value: dict[str, bool]) -> None:
        """Count one image."""
        self.views["images"] += 1
        self.views["hits"] += value["is_hit"]
