"""Carries a journal to MLflow: in order, in batches, each metric point exactly once."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from pipeline.tracking import store
from pipeline.tracking.faults import explain
from pipeline.tracking.journal import SPOOL_NAME, Event, read_entries
from pipeline.tracking.links import DESCRIPTION_TAG, resolve_links
from pipeline.tracking.remote import Batch, RemoteRun
from pipeline.tracking.secrets import Redactor
from pipeline.tracking.state import DeliveryState

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

MAX_METRICS = 800
MAX_PARAMS = 100
MAX_TAGS = 100
"""Together within the 1,000 items, 100 parameters and 100 tags that MLflow takes in a request."""
_MAX_BYTES = 300_000
"""Journal bytes in a batch; a server takes 1,000,000 bytes in a request."""
_PARENT_SECONDS = 5.0
"""How long to wait for another process that delivers the parent run."""
_BATCHED = {"metrics", "params", "tags"}
_NO_MODELS = {"ENDPOINT_NOT_FOUND", "NOT_IMPLEMENTED", "INVALID_PARAMETER_VALUE"}
"""What a store answers that will never take a model: one of MLflow 2, for example."""


def journal_lock(directory: Path) -> FileLock:
    """The lock under which a journal is delivered, so that only one process sends it."""
    return FileLock(directory / ".delivery.lock")


class Delivery:
    """Delivers one journal to one store.

    The offset behind each delivered batch is recorded. A batch that failed, and the first one after
    a start, may have reached the store unrecorded: before it is sent again, the store is asked for
    the history of its metrics, and the points it has are left out. A batch begins where the last
    success ended and takes all it can, so a repeated one covers the doubtful one.

    Args:
        directory: The journal's directory. Hold its `journal_lock` while delivering.
        uri: The store's address, from `store.resolve_uri`. A store that is not the one of the last
            delivery, or lost the run, gets the journal from its beginning.
        root: Where the artifacts of a store without a server lie.
        connect: Opens the store.
    """

    def __init__(
        self,
        directory: Path,
        uri: str,
        root: Path,
        *,
        connect: Callable[[str, Path], MlflowClient] = store.connect,
    ) -> None:
        self.directory = directory
        self._uri = uri
        self._root = root
        self._connect = connect
        self._run: RemoteRun | None = None
        self._client: MlflowClient | None = None
        self._redactor = Redactor()
        self.state = DeliveryState.read(directory, self._redactor.text(uri))

    def drain(self) -> int:
        """Sends all that is in the journal now.

        Returns:
            How many events were delivered.

        Raises:
            Exception: Whatever the store raises; what was delivered before is recorded.
        """
        if next(read_entries(self.directory, self.state.offset), None) is None:
            return 0
        self._reopen()
        delivered, waiting = 0, 0
        batch, start, end = Batch(), self.state.offset, self.state.offset
        for event, behind in read_entries(self.directory, start):
            batched = event["type"] in _BATCHED
            if waiting and (not batched or behind - start > _MAX_BYTES or _is_full(batch, event)):
                self._send(batch, end)
                delivered += waiting
                batch, start, waiting = Batch(), end, 0
            end = behind
            if batched:
                _add(batch, event)
                waiting += 1
            else:
                self._single(event, end)
                delivered += 1
                start = end
        if waiting:
            self._send(batch, end)
        return delivered + waiting

    def note(self, error: Exception) -> int:
        """Records in plain words why an attempt failed; returns how many have failed in a row."""
        fault = explain(error, self.state.store)
        self.state.attempts += 1
        self.state.error = self._redactor.text(fault.message)
        self.state.remedy = self._redactor.text(fault.remedy)
        with contextlib.suppress(OSError):
            self.state.write(self.directory)
        return self.state.attempts

    def _reopen(self) -> None:
        """Finds the run of earlier deliveries; starts anew if the store lost it."""
        if self._client is None:
            self._client = self._connect(self._uri, self._root)
        if self._run is None and self.state.run_id is not None:
            self._run = RemoteRun.reopen(self._client, self.state.run_id)
            if self._run is None:
                self.state = DeliveryState(store=self.state.store)

    def _record(self, end: int) -> None:
        self.state.offset = end
        self.state.attempts, self.state.error, self.state.remedy = 0, None, None
        self.state.write(self.directory)

    def _opened(self) -> RemoteRun:
        if self._run is None:
            raise ValueError(f"the journal in {self.directory} does not begin with an open event")
        return self._run

    def _send(self, batch: Batch, end: int) -> None:
        run = self._opened()
        description = batch.tags.get(DESCRIPTION_TAG)
        if description is not None:
            batch.tags[DESCRIPTION_TAG] = resolve_links(
                description,
                experiment_id=run.experiment_id,
                run_id=run.run_id,
                parent_id=self._parent_id(self._first["parent"]),
            )
        run.log(batch)
        self._refuse(batch.refusals)
        self._record(end)

    @cached_property
    def _first(self) -> Event:
        """The event that opened the run."""
        first = next(read_entries(self.directory), None)
        return {"parent": None} if first is None else {"parent": None, **first.event}

    def _refuse(self, refusals: list[str]) -> None:
        """Remembers what the store will never take."""
        if refusals:
            self.state.refused += len(refusals)
            first = self._redactor.text(refusals[0].strip().splitlines()[0])
            self.state.refusal = self.state.refusal or first

    def _log_model(self, event: Event) -> None:
        """Brings a model into the store, unless the store has no place for models at all."""
        from mlflow.exceptions import MlflowException

        run, key = self._opened(), self.directory.name
        folder = self.directory / SPOOL_NAME / str(event.get("files"))
        try:
            if event["type"] == "link":
                run.link_metrics(key, event)
            elif folder.is_dir():
                run.log_model(key, event, folder)
        except MlflowException as error:
            if error.error_code not in _NO_MODELS:
                raise
            self._refuse([str(error.message)])

    def _single(self, event: Event, end: int) -> None:
        match event["type"]:
            case "open":
                self._open(event)
            case "finish":
                self._opened().end(event["status"], event["time"])
            case "dataset":
                self._opened().log_dataset(event["dataset"], event["context"])
            case "artifact":
                file = self.directory / SPOOL_NAME / event["file"]
                if file.is_file():
                    self._opened().log_artifact(file, event["directory"])
            case "model" | "link":
                self._log_model(event)
        self._record(end)
        spooled = event.get("file") or event.get("files")
        if spooled is not None:
            shutil.rmtree(self.directory / SPOOL_NAME / Path(spooled).parts[0], True)

    def _open(self, event: Event) -> None:
        if self._run is None:
            assert self._client is not None
            self._run = RemoteRun.find_or_create(
                self._client,
                self.directory.name,
                event,
                parent_id=self._parent_id(event.get("parent")),
                uri=self._uri,
                root=self._root,
            )
            self.state.run_id = self._run.run_id
            self.state.experiment_id = self._run.experiment_id
            self.state.write(self.directory)
        self._run.begin(event["tags"])

    def _parent_id(self, key: str | None) -> str | None:
        """The MLflow id of the run that this one is nested in, which is delivered first."""
        if key is None:
            return None
        directory = self.directory.parent / key
        state = DeliveryState.read(directory, self.state.store)
        if state.run_id is None:
            with journal_lock(directory).acquire(timeout=_PARENT_SECONDS):
                parent = Delivery(directory, self._uri, self._root, connect=self._connect)
                parent.drain()
                state = parent.state
        return state.run_id


def _is_full(batch: Batch, event: Event) -> bool:
    return (
        len(batch.metrics) + len(event.get("metrics", ())) > MAX_METRICS
        or len(batch.params) + len(event.get("params", ())) > MAX_PARAMS
        or len(batch.tags) + len(event.get("tags", ())) > MAX_TAGS
    )


def _add(batch: Batch, event: Event) -> None:
    time, step = event["time"], event.get("step", 0)
    batch.metrics += [(name, value, time, step) for name, value in event.get("metrics", {}).items()]
    batch.params.update(event.get("params", {}))
    batch.tags.update(event.get("tags", {}))
