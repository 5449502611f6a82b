"""How many points a scan has, as it is written on a command line."""

from penstock.errors import CheckError, Problem

__all__ = ["read_mesh"]


def read_mesh(text: str) -> tuple[int, int]:
    """Return rows and columns of a text such as ``41x51``.

    Raises
    ------
    CheckError
        If it is none.
    """
    rows, _, columns = text.partition("x")
    if not (rows.isdecimal() and columns.isdecimal() and int(rows) and int(columns)):
        remedy = "write ROWSxCOLUMNS, both from 1, such as 41x51"
        raise CheckError([Problem(where="--points", text=f'"{text}" is no mesh', remedy=remedy)])
    return int(rows), int(columns)
