"""Where a run is seen while it goes on: at an address it was given, or at one of its own, as its pipeline says."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import msgspec

from penstock.engines.served import Controlled, ServedRun
from penstock.monitor.report import RunReport
from penstock.pipeline.graph_svg import draw_svg
from penstock.pipeline.plan import Plan
from penstock.services.run_names import own_version
from penstock.services.web_address import web_service
from penstock.services.web_service import WebService

__all__ = ["Showing"]


class Showing:
    """One run at one address, or nowhere.

    Parameters
    ----------
    plan
        Its ``serve`` says where the run is to be seen if no address is given.
    web
        What stays the caller's.
    """

    def __init__(self, plan: Plan, web: WebService | None) -> None:
        self._plan = plan
        self._web = web
        self._own: WebService | None = None

    def begin(
        self, run: Controlled, name: str, files: Mapping[str, Sequence[int]] = MappingProxyType({})
    ) -> int | None:
        """Show a run.

        Parameters
        ----------
        name
            Of the run.
        files
            By stage, the descriptors of the memory its views lie in.

        Returns
        -------
        int
            A descriptor that can be read when ``poll`` has something to do; ``None`` if nothing is shown.

        Raises
        ------
        ServiceError, ProcessError
            If the address is not to be had, or no process can be made.
        """
        if self._web is None and self._plan.serve is not None:
            self._web = self._own = web_service(self._plan.serve)
        if self._web is None:
            return None
        self._web.begin(
            ServedRun(run), pipeline=self._plan.name, run=name, version=own_version(), graph=draw_svg(self._plan),
            files=files,
        )  # fmt: skip
        return self._web.fileno()

    def poll(self) -> None:
        """Answer whoever asks."""
        if self._web is not None:
            self._web.poll()

    def finish(self, report: RunReport) -> None:
        """Say how the run has ended, and close what is not the caller's."""
        if self._web is not None:
            self._web.finish(msgspec.to_builtins(report))
        if self._own is not None:
            self._own.close()
