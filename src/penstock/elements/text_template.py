"""A text with fields of an item in braces. It runs no code: a value is only ever text in its place."""

from collections.abc import Callable
from string import Formatter
from typing import Any

from penstock.elements.item_field import field_of

__all__ = ["TextTemplate"]


class TextTemplate:
    """``{}`` stands for the item, ``{I0}`` or ``{pseudo.x}`` for a field of it, ``{{`` and ``}}`` for braces.

    Behind a colon a format may stand, as Python has it.

    >>> TextTemplate("I0 = {I0:.2f}").fill({"I0": 0.5})
    'I0 = 0.50'

    Parameters
    ----------
    text
        As it is written.

    Raises
    ------
    ValueError
        If it is not well formed.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        try:
            parts = list(Formatter().parse(text))
        except ValueError as error:
            raise ValueError(f'"{text}": {error}; write {{{{ and }}}} for braces that are meant') from None
        self._parts: list[tuple[str, str | None, str]] = []
        for literal, field, form, conversion in parts:
            if conversion or "{" in (form or "") or "[" in (field or ""):
                raise ValueError(f'"{text}": write {{field}}, {{field.inner}} or {{field:format}}, and nothing else')
            self._parts.append((literal, field, form or ""))

    @property
    def has_fields(self) -> bool:
        """Whether anything is filled in."""
        return any(field is not None for _, field, _ in self._parts)

    @property
    def begins_with_field(self) -> bool:
        """Whether what it begins with is filled in."""
        return bool(self._parts) and not self._parts[0][0] and self._parts[0][1] is not None

    def fill(self, item: Any, shown: Callable[[str], str] = str) -> str:
        """Return the text for an item.

        Parameters
        ----------
        item
            Whatever has the fields.
        shown
            What becomes of each value's text before it is filled in.

        Raises
        ------
        LookupError
            If the item lacks a field; the text lists those there are.
        ValueError
            If a value does not have the format.
        """
        return "".join(
            literal if field is None else literal + shown(self._value(item, field, form))
            for literal, field, form in self._parts
        )

    def _value(self, item: Any, field: str, form: str) -> str:
        value = field_of(item, field) if field else item
        try:
            return format(value, form)
        except (TypeError, ValueError) as error:
            raise ValueError(f'"{self._text}": {value!r} cannot be written as {{{field}:{form}}}: {error}') from error
