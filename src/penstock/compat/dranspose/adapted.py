"""What an adapted Worker and an adapted Reducer have in common: parameters, context, and how hooks are called."""

import inspect
import json
import os
from collections.abc import Callable, Mapping
from inspect import Parameter as Argument
from inspect import Signature
from pathlib import Path
from typing import Any, ClassVar, Final

from penstock.compat.dranspose.arguments import arguments_of, described_by, digest, work_parameters
from penstock.compat.dranspose.lookup import find_user_class
from penstock.compat.dranspose.served.parameters import ParameterBase
from penstock.compat.dranspose.served.protocol import BuildGitMeta, WorkParameter
from penstock.core.values import check_value
from penstock.errors import ResultTypeError

__all__ = ["Adapted", "build_meta", "with_signature"]

META_FILE: Final = "BUILD_META_FILE"
META_DEFAULT: Final = "/etc/build_git_meta.json"


class Adapted:
    """Holds an object of a user's class.

    Its parameters are set as attributes by the engine; the user gets them as a dictionary, made anew when one changes.
    """

    ticking: ClassVar[str]
    """The user's hook without which there is nothing to do now and then."""
    user_class: ClassVar[type]
    described: ClassVar[Mapping[str, ParameterBase]]
    names: ClassVar[frozenset[str]]
    """Of its parameters, as the engine has them."""

    def __init__(self, given: dict[str, Any]) -> None:
        self._context: dict[str, Any] = given.pop("context", None) or {}
        others = given.pop("others", None) or ()
        self._others = described_by(*(find_user_class(name) for name in others))
        self._given = given
        self._parameters: dict[str, WorkParameter] | None = None
        self._hash = ""
        self._user: Any = None

    def __setattr__(self, name: str, value: Any) -> None:
        """Take the new value of a parameter; anything else is an attribute."""
        if name in type(self).names:
            self._given[name] = value
            self._parameters = None
        else:
            object.__setattr__(self, name, value)

    @property
    def parameters(self) -> dict[str, WorkParameter]:
        """As user code gets them."""
        if self._parameters is None:
            self._parameters = work_parameters(self.described, self._others, self._given)
            self._hash = digest(self._parameters.values())
        return self._parameters

    @property
    def hash(self) -> str:
        """Of the parameters in force."""
        return self._hash if self.parameters else digest(())

    def make(self, state: Any) -> None:
        """Make the user's object, with those of the three arguments that it takes."""
        arguments = {"parameters": self.parameters, "context": self._context, "state": state}
        self._user = self.user_class(**_taken(self.user_class, arguments))

    def hook(self, name: str) -> Callable[..., Any] | None:
        """Return a hook of the user's object, if it has it."""
        found = getattr(self._user, name, None)
        return found if callable(found) else None

    def _finish(self) -> None:
        """Call ``finish`` and then ``close``; what is left in the context is what can outlive this process."""
        finish, close = self.hook("finish"), self.hook("close")
        try:
            if finish is not None:
                finish(**_taken(finish, {"parameters": self.parameters}))
        finally:
            if close is not None:
                close(**_taken(close, {"context": self._context}))
            for name in [name for name, value in self._context.items() if not _is_plain(value)]:
                del self._context[name]


def with_signature(kind: type[Adapted], user: type) -> type[Adapted]:
    """Return a class of a kind that keeps objects of a user's class, and has what that describes as parameters."""
    described = described_by(user)
    own = arguments_of(described)
    frozen = [
        Argument("context", Argument.KEYWORD_ONLY, default=None),
        Argument("others", Argument.KEYWORD_ONLY, default=()),
        *kind.arguments(),  # type: ignore[attr-defined]
    ]

    def make(self: Adapted, **given: Any) -> None:
        kind.__init__(self, {**{argument.name: argument.default for argument in own}, **given})

    make.__annotations__ = {argument.name: argument.annotation for argument in own}
    body = {
        "__init__": make,
        "__doc__": inspect.getdoc(user) or "",
        "__signature__": Signature([*frozen, *own]),
        "user_class": user,
        "described": described,
        "names": frozenset(argument.name for argument in own),
    }
    if not hasattr(user, kind.ticking):
        body["tick"] = None  # nobody need be woken for it
    return type(user.__name__, (kind,), body)


def build_meta() -> BuildGitMeta | None:
    """Return which commit the user code is of, if a file says so.

    Raises
    ------
    ValueError
        If the file says something else.
    """
    path = Path(os.environ.get(META_FILE, META_DEFAULT))
    return BuildGitMeta.model_validate(json.loads(path.read_bytes())) if path.is_file() else None


def _taken(target: Callable[..., Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of the arguments that a function takes."""
    given = inspect.signature(target).parameters
    if any(each.kind is Argument.VAR_KEYWORD for each in given.values()):
        return dict(arguments)
    return {name: value for name, value in arguments.items() if name in given}


def _is_plain(value: Any) -> bool:
    try:
        check_value(value, "context")
    except ResultTypeError:
        return False
    return True
