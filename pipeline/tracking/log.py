"""A run as the stages see it: calls that cost microseconds and never fail or wait."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, NamedTuple, Self

import pyarrow as pa

from pipeline.console import notice, warn
from pipeline.errors import PipelineError
from pipeline.tracking.datasets import MAX_DIGEST
from pipeline.tracking.delivery import MAX_METRICS
from pipeline.tracking.journal import JournalWriter
from pipeline.tracking.params import MAX_PARAM, MAX_TAG, clean_name, flatten
from pipeline.tracking.schemas import column_specs
from pipeline.tracking.secrets import Redactor
from pipeline.tracking.sender import Sender
from pipeline.tracking.spooling import ModelFiles, spool_file, spool_model
from pipeline.tracking.system import SystemSampler

Status = Literal["FINISHED", "FAILED", "KILLED"]
Context = Literal["training", "validation", "test"]


class DatasetRef(NamedTuple):
    """Name and digest of a data set, as `RunLog.log_dataset` was given them."""

    name: str
    digest: str


_NAMES_PER_EVENT = 25


class RunLog:
    """Takes what a run has to tell; made by `run.open_run`.

    A context manager: it ends FINISHED, FAILED after an exception that says nothing else, KILLED
    after an interrupt.
    No call waits for the store, and none fails because of it or of the disk.

    Args:
        key: The run's key.
        journal: Where events go; without one every call does nothing.
        sender: The process that carries them to the store.

    Attributes:
        key: The run's key.
    """

    def __init__(
        self, key: str, journal: JournalWriter | None = None, sender: Sender | None = None
    ) -> None:
        self.key = key
        self._journal = journal
        self._sender = sender
        self._redactor = Redactor()
        self._sampler: SystemSampler | None = None

    @property
    def enabled(self) -> bool:
        """Whether anything is kept: what is costly to make is not worth it otherwise."""
        return self._journal is not None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.finish("FINISHED")
        elif isinstance(error, PipelineError):
            self.finish(error.run_status)
        else:
            self.finish("FAILED" if issubclass(kind, Exception) else "KILLED")

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Logs settings under their dotted paths.

        A value too long for MLflow becomes an artifact `params/<name>.txt`, and the parameter says
        so. MLflow never changes a parameter: a value that differs from an earlier one of this run
        becomes the tag `changed.<name>`, with a notice.

        Args:
            params: Settings, nested as in the config.
        """
        if self._journal is None:
            return
        fresh: dict[str, str] = {}
        changed: dict[str, str] = {}
        for name, value in flatten(params):
            text = self._fit(name, value, MAX_PARAM, "params")
            known = self._journal.params.get(name)
            if known is None:
                fresh[name] = self._journal.params[name] = text
            elif known != text:
                changed[f"changed.{name}"] = text
        for part in _portions(fresh):
            self._append("params", params=part)
        if changed:
            self.set_tags(changed)
            notice(
                "tracking: MLflow keeps the first value of a parameter; the new ones are in the "
                f"tags {', '.join(changed)}"
            )

    def log_metrics(
        self, metrics: Mapping[str, float], step: int, *, replace: bool = False
    ) -> None:
        """Logs metric points; those that the run has already (same name and step) are dropped.

        Args:
            metrics: Values by name, for example `val/loss`.
            step: The optimizer step.
            replace: For a stage that may be repeated, such as evaluate: a point whose value differs
                from the metric's last one is logged again, and MLflow shows the newer.
        """
        if self._journal is None:
            return
        clean = {clean_name(name): float(value) for name, value in metrics.items()}
        try:
            if len(clean) <= MAX_METRICS:
                self._journal.append_metrics(clean, step, replace=replace)
                return
            for part in _portions(clean, MAX_METRICS):
                self._journal.append_metrics(part, step, replace=replace)
        except OSError as error:
            self._give_up(error)

    def log_artifact(self, path: Path, directory: str = "") -> None:
        """Keeps a file, or a directory with all in it, as it is now.

        Secrets in small text files are masked.

        Args:
            path: The file or directory.
            directory: Where it goes among the run's artifacts; "" is the top.
        """
        if self._journal is None:
            return
        if path.is_dir():
            for child in sorted(path.iterdir()):
                self.log_artifact(child, f"{directory}/{path.name}".strip("/"))
            return
        try:
            file = spool_file(self._journal, self._redactor, path)
        except OSError as error:
            warn(f"tracking: {path} is not logged: {error.strerror or error}")
            return
        self._append("artifact", file=file, directory=directory.strip("/"))

    def log_text(self, text: str, path: str) -> None:
        """Keeps a text as an artifact; secrets in it are masked.

        Args:
            text: The content.
            path: Where it goes among the run's artifacts, for example `git/diff.patch`.
        """
        if self._journal is None:
            return
        directory, _, name = path.strip("/").rpartition("/")
        try:
            file = self._journal.spool_text(name, self._redactor.document(text))
        except OSError as error:
            self._give_up(error)
            return
        self._append("artifact", file=file, directory=directory)

    def log_dataset(
        self,
        name: str,
        digest: str,
        context: Context,
        *,
        source: str,
        schema: pa.Schema | None = None,
        profile: Mapping[str, Any] | None = None,
    ) -> None:
        """Links a data set to the run; the same name and digest is linked once.

        Args:
            name: Its name, for example `newsroom_sports/train`.
            digest: A hash of its content; MLflow keeps 36 characters.
            context: What it was used for.
            source: Where it came from: a path or URL.
            schema: Its columns.
            profile: Counts and the like.
        """
        dataset = {
            "name": name,
            "digest": digest[:MAX_DIGEST],
            "uri": self._redactor.text(source),
            "columns": None if schema is None else column_specs(schema),
            "profile": profile,
        }
        self._append("dataset", dataset=dataset, context=context)

    def log_model(self, model: ModelFiles) -> None:
        """Keeps a trained model as it is now, for MLflow to load and serve.

        Large files are linked, so this takes no time to speak of; what MLflow needs beside them is
        written by the process that delivers.
        """
        if self._journal is None:
            return
        try:
            facts = spool_model(self._journal, self._redactor, model)
        except OSError as error:
            warn(f"tracking: the model is not logged: {error.strerror or error}")
            return
        self._append("model", **facts)

    def link_metrics(self, names: Iterable[str], step: int, dataset: DatasetRef) -> None:
        """Makes metric points of this run also those of its model; the run has each once.

        Args:
            names: Metrics logged before.
            step: The step of the points.
            dataset: What they were measured on.
        """
        fields = {"names": [clean_name(name) for name in names], "step": step}
        self._append("link", dataset=[dataset.name, dataset.digest[:MAX_DIGEST]], **fields)

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Sets tags; a later value replaces an earlier one.

        A value too long for MLflow becomes an artifact `tags/<name>.txt`, and the tag says so.
        """
        if self._journal is None:
            return
        named = {clean_name(name): value for name, value in tags.items()}
        fitting = {name: self._fit(name, value, MAX_TAG, "tags") for name, value in named.items()}
        for part in _portions(fitting):
            self._append("tags", tags=part)

    def sample_system(self) -> None:
        """Starts sampling processor, memory, disk and GPU use into `system/…` metrics."""
        if self._journal is not None and self._sampler is None:
            self._sampler = SystemSampler(self.log_metrics, since=self._journal.started)
            self._sampler.start()

    def finish(self, status: Status = "FINISHED") -> None:
        """Ends the run and waits a little until the store has it.

        A healthy store has everything when this returns. Where it does not answer within ten
        seconds, the rest stays in the journal, and one notice says so. A second call does nothing.
        """
        if self._journal is None:
            return
        if self._sampler is not None:
            self._sampler.stop()
        self._append("finish", status=status)
        journal, self._journal = self._journal, None
        if journal is None:
            return
        if self._sender is not None:
            self._sender.wait_until_delivered()
        try:
            journal.close()
        except OSError as error:
            warn(f"tracking: {journal.directory} may be incomplete: {error.strerror or error}")
        if self._sender is not None:
            self._sender.end()
            self._sender.report()

    def _append(self, event_type: str, **fields: Any) -> None:
        if self._journal is None:
            return
        try:
            self._journal.append(event_type, **fields)
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        """Stops tracking, once and for all, when the journal cannot be written."""
        journal, self._journal = self._journal, None
        if journal is not None:
            warn(
                f"tracking: the rest of this run is not logged: cannot write {journal.directory}: "
                f"{error.strerror or error}; its results are not affected"
            )

    def _fit(self, name: str, value: str, limit: int, folder: str) -> str:
        """The masked value, or where to find it if MLflow has no room for it."""
        text = self._redactor.value(name, value)
        if len(text) <= limit:
            return text
        file = f"{folder}/{name.replace('/', '_')}.txt"
        self.log_text(text, file)
        return f"{len(text):,} characters, in the artifact {file}"


def _portions(values: dict[str, Any], size: int = _NAMES_PER_EVENT) -> Iterator[dict[str, Any]]:
    names = list(values)
    for first in range(0, len(names), size):
        yield {name: values[name] for name in names[first : first + size]}
