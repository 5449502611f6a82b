"""Where a run is seen and commanded while it goes on: where it was told, or at its own, as its pipeline says."""

import os
import select
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import msgspec

from penstock.core.feedback import Feedback
from penstock.engines.served import Controlled, ServedRun
from penstock.monitor.report import RunReport
from penstock.pipeline.flow_plan import flow_plan
from penstock.pipeline.graph_svg import draw_svg
from penstock.pipeline.plan import Plan
from penstock.pipeline.serve_address import host_and_port
from penstock.services.control_desk import ControlDesk
from penstock.services.control_door import ControlDoor, control_door
from penstock.services.run_names import own_version
from penstock.services.store_door import StoreDoorProcess
from penstock.services.web_address import web_service
from penstock.services.web_service import WebService
from penstock.streams.opened import named_from_anywhere

__all__ = ["Showing"]


class Showing:
    """One run at one address, or nowhere, and the desk that its commands come to.

    Parameters
    ----------
    plan
        Its ``serve`` says where the run is to be seen if no address is given, its ``control`` where it is commanded if
        no desk is given.
    web, desk
        What stays the caller's.
    """

    def __init__(self, plan: Plan, web: WebService | None, desk: ControlDesk | None = None) -> None:
        self._plan = plan
        self._web = web
        self._own: WebService | None = None
        self._opens_door = desk is None
        self._door: ControlDoor | None = None
        self._store_door: StoreDoorProcess | None = None
        self._epoll: select.epoll | None = None
        self.desk = desk or (ControlDesk() if web is None else web.desk)

    def begin(
        self,
        run: Controlled,
        name: str,
        files: Mapping[str, Sequence[int]] = MappingProxyType({}),
        events: Mapping[str, int] = MappingProxyType({}),
    ) -> int | None:
        """Show a run.

        Parameters
        ----------
        name
            Of the run.
        files
            By stage, the descriptors of the memory its views lie in.
        events
            By stage, that of the memory it keeps events in.

        Returns
        -------
        int
            A descriptor that can be read when ``poll`` has something to do; ``None`` if nobody comes from outside.

        Raises
        ------
        ServiceError, ProcessError
            If the address is not to be had, or no process can be made.
        """
        if self._web is None and self._plan.serve is not None:
            self._web = self._own = web_service(self._plan.serve)
        if self._plan.serve_asapo is not None:
            store = os.path.join(self._plan.folder, self._plan.store)  # noqa: PTH118  # it may be an address
            host, port = host_and_port(self._plan.serve_asapo)
            self._store_door = StoreDoorProcess("asapo", store, host, port)
        self.desk.begin(run, self._plan, name)
        run.watching.on_feedback = self._tell_feedback
        if self._opens_door and self._plan.control is not None:
            self._door = control_door(self._plan.control, self.desk)
            self._door.__enter__()
        if self._web is not None:
            self._web.desk = self.desk
            run.watching.apart = self._web.replays.pids
            self._web.begin(
                ServedRun(run), pipeline=self._plan.name, run=name, version=own_version(), graph=draw_svg(self._plan),
                flow=flow_plan(self._plan), store=named_from_anywhere(self._plan.store, self._plan.folder),
                files=files, events=events,
            )  # fmt: skip
        pollables = [None if self._web is None else self._web.fileno(), self.desk.pollable]
        found = [each for each in pollables if each is not None]
        if len(found) < 2:
            return found[0] if found else None
        self._epoll = select.epoll()
        for each in found:
            self._epoll.register(each, select.EPOLLIN)
        return self._epoll.fileno()

    def poll(self) -> None:
        """Answer whoever asks."""
        if self._web is not None:
            self._web.poll()
        self.desk.poll()

    def _tell_feedback(self, _: Feedback) -> None:
        self.desk.tell_feedback()
        if self._web is not None:
            self._web.tell_feedback()

    def finish(self, report: RunReport) -> None:
        """Say how the run has ended, and close what is not the caller's."""
        self.desk.finish(report)
        if self._web is not None:
            self._web.finish(msgspec.to_builtins(report))
        if self._own is not None:
            self._own.close()
        if self._door is not None:
            self._door.close()
        if self._store_door is not None:
            self._store_door.close()
        if self._epoll is not None:
            self._epoll.close()
