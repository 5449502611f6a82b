"""What would be right: the name somebody probably meant, and lists people can read."""

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["did_you_mean", "listed"]


def listed(names: Iterable[object], last: str = "or") -> str:
    """Return names as a phrase.

    >>> listed(["a", "b", "c"])
    'a, b or c'
    """
    words = [str(name) for name in names]
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"


def did_you_mean(word: str, known: Iterable[str], *, otherwise: str = "") -> str:
    """Return a remedy for a misspelt word.

    Parameters
    ----------
    word
        What was written.
    known
        What there is.
    otherwise
        The remedy if nothing is like it; by default the list of what there is.
    """
    names = sorted(set(known))
    # Lower case first: "Kept" should find "kept" however short the words are.
    folded = {name.lower(): name for name in names}
    close = get_close_matches(word.lower(), folded, n=1, cutoff=0.6)
    if close:
        return f'did you mean "{folded[close[0]]}"?'
    if otherwise:
        return otherwise
    return f"write {listed(names)}" if names else ""
