"""A Tango device whose attributes are made, changed and taken away while it is served; and how one is served.

Importing this imports PyTango, which takes a second. It knows nothing of pipelines.
"""

import math
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NoReturn

import numpy as np

from penstock.elements.tango_form import LONGEST, Form, Kind, empty, in_latin, is_same, said_as
from penstock.errors import PenstockError, ServiceError
from penstock.extra import extra

with extra("tango"):
    import tango
    from tango.server import Device, attribute, run

# PyTango has no types here.
# mypy: disable-error-code="misc,untyped-decorator"

__all__ = ["REFUSED", "FormedDevice", "address_of", "refuse", "register", "serve"]

REFUSED: Final = "PENSTOCK_Refused"
"""The reason in a ``DevFailed``, by which clients tell a refusal of ours."""
_EVERYWHERE: Final = ("0.0.0.0", "::")
_DTYPES: Final[Mapping[Kind, Any]] = {
    Kind.BOOL: bool, Kind.INT: np.int64, Kind.FLOAT: np.float64, Kind.TEXT: str, Kind.CHOICE: "DevEnum",
    Kind.BYTES: "DevEncoded",
}  # fmt: skip


class FormedDevice(Device):
    """A device with attributes of any form; what is shown and has changed is told as change events.

    Attributes are made and values shown from one thread at a time, which need not be one of Tango's.
    """

    _forms: dict[str, Form]
    _values: dict[str, Any]
    _shown_s: dict[str, float]

    def init_device(self) -> None:
        """Begin, and begin again when a client says ``Init``; what there is stays."""
        super().init_device()
        if not hasattr(self, "_forms"):
            self._forms, self._values, self._shown_s = {}, {}, {}
            self._changing = threading.Lock()
            for name in ("State", "Status"):
                self.set_change_event(name, True, False)

    def written(self, form: Form, value: Any) -> None:
        """Take what a client has written; here it is refused.

        Raises
        ------
        PenstockError
            If it is refused: the client is told the text.
        """
        raise PenstockError(f"{form.name} cannot be written, and {value!r} was")

    def shape(self, forms: Iterable[Form]) -> None:
        """Have exactly these attributes; what is there already and alike stays, with its value."""
        wanted = {form.name.lower(): form for form in forms}
        for key, form in list(self._forms.items()):
            if wanted.get(key) != form:
                self._remove(form)
        for key, form in wanted.items():
            if key not in self._forms:
                self._add(form)

    def show(self, values: Mapping[str, Any], as_of_s: float = math.inf) -> None:
        """Give attributes their values, by name; those not named have none from now on.

        Parameters
        ----------
        as_of_s
            When that was so, as ``time.monotonic`` says it: what `show_some` has shown later stays.
        """
        by_key = {name.lower(): value for name, value in values.items()}
        with self._changing:
            keys = [key for key in self._forms if self._shown_s.get(key, -math.inf) < as_of_s]
            changed = self._changed({key: by_key.get(key) for key in keys})
        self._push(changed)

    def show_some(self, values: Mapping[str, Any]) -> None:
        """Give some attributes their values, by name."""
        by_key = {name.lower(): value for name, value in values.items()}
        with self._changing:
            self._shown_s.update(dict.fromkeys(by_key, time.monotonic()))
            changed = self._changed(by_key)
        self._push(changed)

    def show_state(self, state: str, status: str) -> None:
        """Be in a state, such as ``RUNNING``, with a text that says more."""
        wanted, text = getattr(tango.DevState, state), in_latin(status)
        if self.get_state() != wanted:
            self.set_state(wanted)
            self.push_change_event("State", wanted)
        if self.get_status() != text:
            self.set_status(text)
            self.push_change_event("Status", text)

    def _changed(self, values: Mapping[str, Any]) -> list[tuple[Form, Any]]:
        """Take values over; return those that are others than before."""
        changed = []
        for key, value in values.items():
            form = self._forms.get(key)
            if form is None or not form.can_be_read:
                continue
            said = said_as(form, value)
            if key not in self._values or not is_same(self._values[key], said):
                self._values[key] = said
                changed.append((form, said))
        return changed

    def _push(self, changed: Iterable[tuple[Form, Any]]) -> None:
        """Tell of changes; not while others wait for it, as Tango may wait for them."""
        for form, said in changed:
            value, stamp = (
                (said, ()) if said is not None else (empty(form), (time.time(), tango.AttrQuality.ATTR_INVALID))
            )
            self.push_change_event(form.name, *(value if form.kind is Kind.BYTES else (value,)), *stamp)

    def _add(self, form: Form) -> None:
        access = (
            "READ_WRITE" if form.can_be_read and form.can_be_written else "WRITE" if form.can_be_written else "READ"
        )
        dtype = _DTYPES[form.kind]
        sizes: dict[str, Any] = {"max_dim_x": LONGEST} if form.ndim else {}
        if form.ndim == 2:
            sizes["max_dim_y"] = LONGEST
        limits = {"min_value": form.lowest, "max_value": form.highest}
        made = attribute(
            name=form.name,
            dtype=(dtype,) if form.ndim == 1 else ((dtype,),) if form.ndim == 2 else dtype,
            access=getattr(tango.AttrWriteType, access),
            fget=self._read,
            fset=self._write,
            unit=in_latin(form.unit),
            label=in_latin(form.label or form.name),
            doc=in_latin(form.doc),
            **({"enum_labels": list(form.choices)} if form.kind is Kind.CHOICE else {}),
            **{name: limit for name, limit in limits.items() if limit is not None},
            **sizes,
        )
        with tango.AutoTangoMonitor(self):
            self.add_attribute(made)
            if form.can_be_read:
                self.set_change_event(form.name, True, False)
        with self._changing:
            self._forms[form.name.lower()] = form

    def _remove(self, form: Form) -> None:
        key = form.name.lower()
        with self._changing:
            del self._forms[key]
            self._values.pop(key, None)
            self._shown_s.pop(key, None)
        with tango.AutoTangoMonitor(self):
            # Without a database, to clean it ends the process.
            self.remove_attribute(form.name, clean_db=False)

    def _read(self, attr: Any) -> Any:
        form = self._forms[attr.get_name().lower()]
        value = self._values.get(form.name.lower())
        if value is not None:
            return value
        return empty(form), time.time(), tango.AttrQuality.ATTR_INVALID

    def _write(self, attr: Any) -> None:
        form = self._forms[attr.get_name().lower()]
        try:
            self.written(form, attr.get_write_value())
        except PenstockError as error:
            refuse(error, form.name)


def refuse(error: PenstockError, where: str) -> NoReturn:
    """Tell a client that it is refused, in ASCII, as Tango carries nothing else in failures.

    Raises
    ------
    tango.DevFailed
        Always.
    """
    tango.Except.throw_exception(REFUSED, in_latin(str(error), "ascii"), where)
    raise error  # the line above does not come back


def address_of(device: str, host: str, port: int) -> str:
    """Return where a device without a database is found, as ``DeviceProxy`` takes it."""
    host = socket.gethostname() if host in _EVERYWHERE else host
    name = f"[{host}]" if ":" in host else host
    return f"tango://{name}:{port}/{device}#dbase=no"


def serve(
    device_class: type[FormedDevice],
    device: str,
    *,
    server: str,
    port: int | None,
    host: str = "127.0.0.1",
    on_ready: Callable[[str], None] = lambda _: None,
) -> None:
    """Serve one device until the process is told to end, by SIGTERM, Ctrl-C, or the command ``Kill`` of its server.

    Parameters
    ----------
    device
        Its name, ``domain/family/member``.
    server
        ``executable/instance``, as a database knows the server.
    port
        Where it listens without a database, 0: any that is free; ``None``: it is one of the database of ``TANGO_HOST``.
    host
        The address of this machine at which it listens without a database.
    on_ready
        Called with the address of the device when clients are answered.

    Raises
    ------
    ServiceError
        If the port is taken, the database is not there, or does not know the device.
    """
    program, _, instance = server.partition("/")
    words = [program, instance]
    address = device
    if port is None:
        _must_be_known(device, server)
    else:
        port = _free_port(host, port)
        address = address_of(device, host, port)
        # Without a host, the library tells clients the addresses that this machine has; 0.0.0.0 would be told as it is.
        words += ["-ORBendPoint", f"giop:tcp:{'' if host in _EVERYWHERE else host}:{port}", "-nodb", "-dlist", device]
    try:
        run(
            (device_class,),
            args=words,
            msg_stream=None,
            err_stream=None,
            post_init_callback=lambda: on_ready(address),
            raises=True,
        )
    except tango.DevFailed as error:
        why = " ".join(str(error.args[0].desc).split())
        raise ServiceError(f"the device {device} cannot be served: {why}") from error


def register(device: str, server: str, class_name: str) -> None:
    """Let the database of ``TANGO_HOST`` know a device of a server.

    Raises
    ------
    ServiceError
        If there is no database.
    """
    info = tango.DbDevInfo()
    info.name, info.server, info._class = device, server, class_name
    _database().add_device(info)


def _must_be_known(device: str, server: str) -> None:
    known = list(_database().get_device_class_list(server).value_string)[::2]
    if device.lower() not in {name.lower() for name in known}:
        raise ServiceError(
            f"the database knows no device {device} of the server {server}; register it there, or begin once with "
            "--register; or serve it without a database, at a port"
        )


def _database() -> Any:
    try:
        return tango.Database()
    except tango.DevFailed as error:
        why = " ".join(str(error.args[0].desc).split())
        raise ServiceError(
            f"there is no Tango database ({why}); see whether TANGO_HOST says where it is, or serve the device without "
            "one, at a port"
        ) from error


def _free_port(host: str, port: int) -> int:
    """Return the port, or one that is free for 0; the library says little of one that is taken."""
    try:
        with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET) as tried:
            return int(tried.getsockname()[1])
    except OSError as error:
        raise ServiceError(f"{host}:{port} cannot be listened at: {error.strerror or error}") from error
