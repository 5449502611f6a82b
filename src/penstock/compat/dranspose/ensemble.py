"""Scans one after the other: what the controller of dranspose is asked for, done by runs of a pipeline.

Every trigger map is a run; the one before is given up. A run that has ended can be looked at until the next begins.
"""

import json
import os
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from penstock.compat.dranspose.arguments import UNDESCRIBED, described_by, digest, to_name, work_parameters
from penstock.compat.dranspose.debug_worker import DEBUG, events_data
from penstock.compat.dranspose.ingesters import named_sources, software_problems
from penstock.compat.dranspose.lookup import find_user_class
from penstock.compat.dranspose.parameter_file import written_parameters
from penstock.compat.dranspose.pipelines import REDUCE, SCAN, WAIT_S, Pool, contexts_of, pipeline_of
from penstock.compat.dranspose.served.event import EventData
from penstock.compat.dranspose.served.parameters import ParameterBase, StrParameter
from penstock.compat.dranspose.served.protocol import WorkParameter
from penstock.compat.dranspose.start_memory import StartMemory
from penstock.compat.dranspose.trigger_maps import scan_map, wrapped
from penstock.core.trigger_map import TriggerMap
from penstock.engines.handle import Run
from penstock.errors import MapError, ParameterError, PenstockError, StateError
from penstock.monitor.report import NoticeReport, RunReport
from penstock.pipeline.entries import Sink, Source
from penstock.services.web_service import WebService

__all__ = ["DUMP_PREFIX", "Ensemble"]

DUMP_PREFIX = "dump_prefix"
"""The parameter that says how the paths of dumps begin; empty: nothing is dumped."""
TOOK_OVER = "another trigger map came"


class Ensemble:
    """Sources, workers and a reducer, and the scan there is now; may be used from any thread.

    Parameters
    ----------
    sources
        By stream.
    pools
        The results of the first go to the reducer.
    reducer
        ``module:Class``, or empty.
    folder
        Where users' modules are looked for first.
    web
        Where the views are to be seen.
    parameters
        Values to begin with, as bytes by name.
    dump_folder
        Below which dumps may be written; ``None``: nowhere.
    wait_s
        How long a stream may be silent while others wait for it, in s.
    """

    def __init__(
        self,
        sources: Mapping[str, Source],
        pools: Sequence[Pool],
        reducer: str = "",
        *,
        folder: Path,
        web: WebService | None = None,
        parameters: Mapping[str, bytes] | None = None,
        dump_folder: Path | None = None,
        worker_name: str = "",
        wait_s: float = WAIT_S,
    ) -> None:
        self.sources, self.pools, self.reducer = dict(sources), tuple(pools), reducer
        self._folder, self._web, self._worker_name = folder, web, worker_name
        self._dump_folder, self._wait_s = dump_folder, wait_s
        users = {pool.name: find_user_class(pool.use, folder) for pool in pools if pool.arguments is None}
        users |= {REDUCE: find_user_class(reducer, folder)} if reducer else {}
        self._by_stage = {stage: described_by(user) for stage, user in users.items()}
        self.described: dict[str, ParameterBase] = described_by(*users.values())
        self._lock = threading.RLock()
        self._values: dict[str, bytes] = {}
        self._dump_prefix = ""
        self._run: Run | None = None
        self._map: TriggerMap | None = None
        self._document: dict[str, Any] = {"parts": {}, "sequence": []}
        self._contexts = contexts_of(pools)
        self._tending: threading.Thread | None = None
        self._starts = StartMemory()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.scan = ""
        """A name of the scan there is, new for each."""
        for name, data in (parameters or {}).items():
            self.set_parameter(name, data)

    # Scans.

    def begin(self, parts: Mapping[str, Any], sequence: Sequence[str], *, all_wrap: bool = True) -> str:
        """Begin a scan, in place of the one there is; return its name when everybody is ready.

        Raises
        ------
        MapError
            If something is wrong with the map; then the scan there is goes on.
        StateError
            If a stream that it names is not there; likewise.
        PenstockError
            If the run cannot begin.
        """
        document = wrapped(parts, sequence, all_wrap=all_wrap)
        trigger_map = scan_map(document, [frozenset(pool.tags) for pool in self.pools for _ in range(pool.workers)])
        if problems := software_problems(self.sources, trigger_map):
            raise MapError(problems)
        if lacking := [stream for stream in trigger_map.streams if stream not in self.sources]:
            there_are = ", ".join(self.sources) or "none"
            raise StateError(f"streams {', '.join(lacking)} are not available; there are {there_are}")
        return self.start(trigger_map, document, has_start=all_wrap)

    def start(self, trigger_map: TriggerMap, document: Mapping[str, Any], *, has_start: bool = True) -> str:
        """Begin a scan with a map that is right; see `begin`.

        Parameters
        ----------
        has_start
            Whether event 0 goes to every worker, and so to those that come later.
        """
        with self._lock:
            self.stop(TOOK_OVER, at_once=True)
            self._settle()
            self.scan, self._map, self._document = str(uuid4()), trigger_map, dict(document)
            # What a map does not name is never connected to.
            sources = named_sources(self.sources, trigger_map.streams)
            pipeline = pipeline_of(
                sources, self.pools, self.reducer, folder=self._folder, sinks=self._dumps(),
                worker_name=self._worker_name, wait_s=self._wait_s,
                start_files=self._starts_of(self.pools) if has_start else None,
            )  # fmt: skip
            # As told again to each run, because what is left of contexts has no word of which worker it is of.
            for stage, contexts in contexts_of(self.pools).items():
                for context, told in zip(self._contexts[stage], contexts, strict=True):
                    context.update(told)
            options = {"trigger_maps": {SCAN: trigger_map}, "values": self._by_address(), "contexts": self._contexts}
            self._run = pipeline.start("local", web=self._web, **options)
            self._tending = threading.Thread(target=self._tend, args=(self._run,), name="dranspose scan", daemon=True)
            self._tending.start()
            return self.scan

    def stop(self, reason: str = "stopped on request", *, at_once: bool = False) -> None:
        """End the scan there is: bring out what has arrived, or give it up."""
        run = self._run
        if run is not None and run.is_running:
            run.abort(reason) if at_once else run.stop(reason)

    def wait(self, timeout_s: float | None = None) -> RunReport:
        """Wait for the end of the scan.

        Raises
        ------
        TimeoutError
            If it has not ended by then.
        StateError
            If there was none.
        """
        if self._run is None:
            raise StateError("no scan has begun; post a trigger map")
        return self._run.wait(timeout_s)

    def close(self) -> None:
        """End everything."""
        with self._lock:
            self.stop(at_once=True)
            self._settle()
            os.close(self._wake)
            self._starts.close()

    def _tend(self, run: Run) -> None:
        """Wait for a run's end, and answer what the web process asks behind it, until another begins."""
        with suppress(Exception):  # whoever asks for the report is told
            run.wait()
        if self._web is not None:
            self._web.stay(self._wake)

    def _settle(self) -> None:
        """Wait until nobody tends to the run before."""
        if self._tending is not None:
            os.eventfd_write(self._wake, 1)
            self._tending.join()
            self._tending = None
            with suppress(BlockingIOError):
                os.eventfd_read(self._wake)

    def _starts_of(self, pools: Sequence[Pool]) -> dict[str, str]:
        """Return where the start of a scan is kept, by pool, without that of the scan before."""
        return {pool.name: self._starts.path(pool.name) for pool in pools}

    def _dumps(self) -> dict[str, Sink]:
        if not self._dump_prefix:
            return {}
        head = self._dump_path(self._dump_prefix)
        Path(f"{head}x").parent.mkdir(parents=True, exist_ok=True)
        ending, content = written_parameters(self.parameters)
        Path(f"{head}parameters-{self.scan}.{ending}").write_bytes(content)
        Path(f"{head}mapping-{self.scan}.json").write_text(json.dumps(self._document))
        sink = "penstock.compat.dranspose.dump_sink:DumpSink"
        return {"dump": Sink(sink, source=SCAN, prefix=head, scan=self.scan)}

    # Parameters.

    @property
    def parameters(self) -> dict[str, WorkParameter]:
        """As user code has them."""
        with self._lock:
            return work_parameters({}, self.described, {UNDESCRIBED: self._values})

    @property
    def hash(self) -> str:
        """Of all parameters."""
        return digest(self.parameters.values())

    def set_parameter(self, name: str, data: bytes) -> str:
        """Change a parameter from the next event on, and for the scans to come; return the hash of all.

        Raises
        ------
        ParameterError
            If the bytes are no value of its type.
        """
        described = self.described.get(name)
        try:
            if name == DUMP_PREFIX:
                prefix = data.decode()
            elif described is not None:
                described.from_bytes(data)
        except ValueError as error:
            raise ParameterError(f"{name} = {data[:40]!r}: {error}; give a value of its type") from error
        with self._lock:
            if name == DUMP_PREFIX:
                self._dump_prefix = self._checked_prefix(prefix)
                return self.hash
            before = dict(self._values)
            self._values[name] = data
            run = self._run
            try:
                if run is not None and run.is_running:
                    changed = {a: v for a, v in self._by_address().items() if self._concerns(a, name)}
                    run.set(changed, who="dranspose")
            except ParameterError:
                self._values = before
                raise
            except StateError:
                pass  # it has ended meanwhile, and the next begins with the new value
            return self.hash

    def parameter(self, name: str) -> bytes | None:
        """Return a parameter's bytes; ``None`` if there is none."""
        if name == DUMP_PREFIX:
            return self._dump_prefix.encode()
        found = self.parameters.get(name)
        return None if found is None else found.data

    def descriptions(self) -> list[ParameterBase]:
        """Return what there is to be set, by name."""
        prefix = StrParameter(name=DUMP_PREFIX, description="How the paths of dumps begin; empty: nothing is dumped.")
        return sorted([*self.described.values(), prefix], key=lambda each: each.name)

    def _by_address(self) -> dict[str, Any]:
        """Return the values in force, as the engine has them."""
        found: dict[str, Any] = {}
        for stage, described in self._by_stage.items():
            for name, each in described.items():
                value = each.from_bytes(self._values[name]) if name in self._values else each.default
                found[f"{stage}.{to_name(name)}"] = value
            rest = {name: data for name, data in self._values.items() if name not in described}
            found[f"{stage}.{UNDESCRIBED}"] = rest
        return found

    def _concerns(self, address: str, name: str) -> bool:
        stage, _, argument = address.partition(".")
        is_own = name in self._by_stage[stage]
        return argument == (to_name(name) if is_own else UNDESCRIBED)

    def _checked_prefix(self, prefix: str) -> str:
        if prefix:
            self._dump_path(prefix)
        return prefix

    def _dump_path(self, prefix: str) -> str:
        if self._dump_folder is None:
            raise ParameterError("nothing may be dumped here; begin with --dump-folder FOLDER")
        root = self._dump_folder.resolve()
        path = Path(root, prefix)
        if not path.resolve().is_relative_to(root):
            raise ParameterError(f"{prefix!r} is not below {root}; dumps are written there only")
        return f"{path}/" if prefix.endswith("/") else str(path)

    # What is to be seen.

    @property
    def document(self) -> Mapping[str, Any]:
        """The map there is: parts and sequence."""
        return self._document

    @property
    def report(self) -> RunReport | None:
        """How the scan is; ``None`` before the first."""
        return None if self._run is None else self._run.statistics()

    @property
    def has_begun(self) -> bool:
        """Whether there is a scan, or was one."""
        return self._run is not None

    @property
    def is_finished(self) -> bool:
        """Whether the scan has ended, however that was."""
        return self._run is not None and not self._run.is_running

    @property
    def planned(self) -> int:
        """Events of the map."""
        return 0 if self._map is None else self._map.length or 0

    def last_events(self, number: int) -> list[EventData]:
        """Return the last events that debug workers got of the scan, the newest last."""
        if self._run is None or not number:
            return []
        return events_data(self._run.events(DEBUG))[-number:]

    def notices(self) -> list[NoticeReport]:
        """Return the last notices of the scan, the newest last."""
        return [] if self._run is None else self._run.notices()

    def views(self) -> Mapping[str, Any]:
        """Return what the reducer has published."""
        if self._run is None or not self.reducer:
            return {}
        with suppress(KeyError, PenstockError):
            return self._run.views(REDUCE)
        return {}
