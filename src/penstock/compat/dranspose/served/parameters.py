"""The parameters that ``describe_parameters`` lists: their types, and how each is written as bytes.

Bytes that are no value of the type are refused, never taken for 0, an empty text or ``False``.
"""

from math import isnan
from typing import Annotated, Any, ClassVar, Literal

from penstock.extra import extra

with extra("run"):
    from pydantic import BaseModel, Field, TypeAdapter


__all__ = [
    "BinaryParameter", "BoolParameter", "FloatParameter", "IntParameter", "Parameter", "ParameterBase", "ParameterList",
    "ParameterType", "StrParameter",
]  # fmt: skip


class ParameterBase(BaseModel):
    """What all have in common."""

    name: str
    description: str | None = None
    default: Any = None

    kind: ClassVar[type] = str

    @staticmethod
    def to_bytes(val: Any) -> bytes:
        """Return a value as bytes."""
        return str(val).encode()

    @staticmethod
    def from_bytes(by: bytes) -> Any:
        """Return the value that bytes stand for.

        Raises
        ------
        ValueError
            If they are none of this type.
        """
        return by.decode()


class StrParameter(ParameterBase):
    """A text."""

    dtype: Literal["str"] = "str"
    default: str = ""


class BinaryParameter(ParameterBase):
    """Bytes, such as those of a file."""

    dtype: Literal["binary"] = "binary"
    default: bytes = b""

    kind: ClassVar[type] = bytes

    @staticmethod
    def to_bytes(val: Any) -> bytes:
        """Return them."""
        return bytes(val)

    @staticmethod
    def from_bytes(by: bytes) -> bytes:
        """Return them."""
        return by


class IntParameter(ParameterBase):
    """A whole number."""

    dtype: Literal["int"] = "int"
    default: int = 0

    kind: ClassVar[type] = int

    @staticmethod
    def from_bytes(by: bytes) -> int:
        """Return the number; see the base."""
        return int(by)


class FloatParameter(ParameterBase):
    """A number."""

    dtype: Literal["float"] = "float"
    default: float = 0.0

    kind: ClassVar[type] = float

    @staticmethod
    def from_bytes(by: bytes) -> float:
        """Return the number; see the base."""
        found = float(by)
        if isnan(found):
            raise ValueError(f"{by[:40]!r} is no number")
        return found


class BoolParameter(ParameterBase):
    """``True`` or ``False``, so written."""

    dtype: Literal["bool"] = "bool"
    default: bool = False

    kind: ClassVar[type] = bool

    @staticmethod
    def from_bytes(by: bytes) -> bool:
        """Return the truth value; see the base."""
        if by not in (b"True", b"False"):
            raise ValueError(f"{by[:40]!r} is neither True nor False")
        return by == b"True"


ParameterType = StrParameter | BinaryParameter | IntParameter | FloatParameter | BoolParameter

Parameter: TypeAdapter[ParameterType] = TypeAdapter(Annotated[ParameterType, Field(discriminator="dtype")])
ParameterList: TypeAdapter[list[ParameterType]] = TypeAdapter(
    list[Annotated[ParameterType, Field(discriminator="dtype")]]
)
