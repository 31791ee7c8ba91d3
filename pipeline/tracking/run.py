"""A run as the stages see it: calls that cost microseconds and never fail or wait."""

from __future__ import annotations

import contextlib
import json
import math
import re
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from pipeline.config.schema import TrackingConfig
from pipeline.console import notice, warn
from pipeline.tracking import sender
from pipeline.tracking.delivery import MAX_METRICS, MAX_PARAMS
from pipeline.tracking.journal import JournalWriter
from pipeline.tracking.params import MAX_PARAM, MAX_TAG, clean_name, flatten
from pipeline.tracking.secrets import Redactor
from pipeline.tracking.state import DeliveryState, pending_events
from pipeline.tracking.store import resolve_uri
from pipeline.tracking.system import SystemSampler

Status = Literal["FINISHED", "FAILED", "KILLED"]
Context = Literal["training", "validation", "test"]

_KEY = re.compile(r"[\w-][\w.-]{0,199}")
_FINISH_SECONDS = 10.0
_CLOSE_SECONDS = 2.0
_TEXT_SUFFIXES = {".yaml", ".yml", ".json", ".txt", ".md", ".diff", ".patch", ".toml", ".log"}
_LARGEST_TEXT_BYTES = 4 * 2**20


def open_run(
    tracking: TrackingConfig,
    *,
    root: Path,
    key: str,
    experiment: str,
    run_name: str,
    tags: Mapping[str, str],
    system_metrics: bool = True,
) -> RunLog:
    """Opens the run with this key, or continues it.

    Events go to `<root>/.cache/tracking/<key>/journal.jsonl`; a background sender carries them to
    MLflow, together with what earlier commands left there. The same key is the same MLflow run, in
    this process and in later ones, and a metric point that the journal has is not logged again.

    Args:
        tracking: The tracking section. Disabled, the result takes all calls and does nothing.
        root: `artifacts.lasting_root()`, for the journal, `mlflow.db` and `mlruns/`.
        key: Names the run: letters, digits, `_`, `-`, `.`; at most 200 characters.
        experiment: The MLflow experiment, unless the config names one. Fixed by the first opening.
        run_name: The run's name, unless the config names one. Fixed by the first opening.
        tags: Tags to set.
        system_metrics: Whether processor, memory, disk and GPU use are sampled every five seconds.

    Raises:
        ValueError: If the key has other characters.
    """
    if _KEY.fullmatch(key) is None:
        raise ValueError(f"a run key has letters, digits, '_', '-' and '.', got {key!r}")
    if not tracking.enabled:
        return RunLog(key, None, None)
    directory = root.resolve() / ".cache" / "tracking" / key
    redactor = Redactor()
    uri = resolve_uri(tracking.uri, root.resolve())
    try:
        journal = JournalWriter(directory)
        journal.append(
            "open",
            store=redactor.text(uri),
            experiment=tracking.experiment or experiment,
            run_name=redactor.text(tracking.run_name or run_name),
            tags={},
        )
    except OSError as error:
        warn(f"nothing of this run is tracked: cannot write {directory}: {error.strerror}")
        return RunLog(key, None, None)
    try:
        process = sender.start(directory, uri, root.resolve())
    except OSError:
        process = None
    run = RunLog(key, journal, process)
    run.set_tags(tags)
    if system_metrics:
        run.sample_system()
    return run


class RunLog:
    """Takes what a run has to tell; made by `open_run`.

    A context manager: it ends FINISHED, FAILED after an exception, KILLED after an interrupt.
    No call waits for the store, and none fails because of it or of the disk.

    Attributes:
        key: The run's key.
    """

    def __init__(
        self, key: str, journal: JournalWriter | None, process: subprocess.Popen[bytes] | None
    ) -> None:
        self.key = key
        self._journal = journal
        self._sender = process
        self._redactor = Redactor()
        self._sampler: SystemSampler | None = None

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
        elif issubclass(kind, Exception):
            self.finish("FAILED")
        else:
            self.finish("KILLED")

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
        changed: list[str] = []
        for name, value in flatten(params):
            text = self._fit(name, self._redactor.value(name, value), MAX_PARAM, "params")
            known = self._journal.params.get(name)
            if known is None:
                fresh[name] = self._journal.params[name] = text
            elif known != text:
                changed.append(name)
                self.set_tags({f"changed.{name}": text})
        names = list(fresh)
        for first in range(0, len(names), _PARAMS_PER_EVENT):
            part = names[first : first + _PARAMS_PER_EVENT]
            self._append("params", params={name: fresh[name] for name in part})
        if changed:
            notice(
                f"MLflow keeps a run's first parameters; {', '.join(changed)} differ now, see the "
                "tags changed.*"
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
            for first in range(0, len(clean), MAX_METRICS):
                part = dict(list(clean.items())[first : first + MAX_METRICS])
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
            text = self._text_of(path)
            if text is None:
                file = self._journal.spool(path)
            else:
                file = self._journal.spool_text(path.name, self._redactor.document(text))
        except OSError as error:
            warn(f"{path} is not logged: {error.strerror or error}")
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
        schema: Mapping[str, str] | None = None,
        profile: Mapping[str, Any] | None = None,
    ) -> None:
        """Links a data set to the run.

        Args:
            name: Its name, for example `newsroom_sports/train`.
            digest: A hash of its content; MLflow keeps 36 characters.
            context: What it was used for.
            source: Where it came from: a path or URL.
            schema: The type of each column, by name.
            profile: Counts and the like.
        """
        columns = [
            {"type": kind, "name": column, "required": True}
            for column, kind in (schema or {}).items()
        ]
        dataset = {
            "name": name,
            "digest": digest[:36],
            "source_type": "local",
            "source": json.dumps({"uri": self._redactor.text(source)}),
            "schema": json.dumps({"mlflow_colspec": columns}) if columns else None,
            "profile": json.dumps(profile, ensure_ascii=False, default=str) if profile else None,
        }
        self._append("dataset", dataset=dataset, context=context)

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Sets tags; a later value replaces an earlier one.

        A value too long for MLflow becomes an artifact `tags/<name>.txt`, and the tag says so.
        """
        if self._journal is None:
            return
        values = {}
        for raw, value in tags.items():
            name = clean_name(raw)
            values[name] = self._fit(name, self._redactor.value(name, value), MAX_TAG, "tags")
        names = list(values)
        for first in range(0, len(names), _PARAMS_PER_EVENT):
            part = names[first : first + _PARAMS_PER_EVENT]
            self._append("tags", tags={name: values[name] for name in part})

    def sample_system(self) -> None:
        """Starts sampling processor, memory, disk and GPU use into `system/…` metrics."""
        if self._journal is not None and self._sampler is None:
            self._sampler = SystemSampler(self.log_metrics, since=self._journal.started)
            self._sampler.start()

    def finish(self, status: Status = "FINISHED") -> None:
        """Ends the run and waits a little, ten seconds at most, until the store has it.

        What the store has not taken by then stays in the journal, and one notice says so. A second
        call does nothing.
        """
        if self._journal is None:
            return
        if self._sampler is not None:
            self._sampler.stop()
        self._append("finish", status=status)
        journal, self._journal = self._journal, None
        if journal is None:
            return
        directory = journal.directory
        if self._sender is not None:
            self._wait(directory)
        try:
            journal.close()
        except OSError as error:
            warn(f"the tracking journal {directory} may be incomplete: {error.strerror}")
        if self._sender is not None:
            self._end_sender()
        _report(directory)

    def _wait(self, directory: Path) -> None:
        assert self._sender is not None
        deadline = time.monotonic() + _FINISH_SECONDS
        attempts = None
        while time.monotonic() < deadline and self._sender.poll() is None:
            if pending_events(directory) == 0:
                return
            state = DeliveryState.read(directory)
            if attempts is None:
                attempts = state.attempts
            elif state.attempts >= attempts + 2:
                return
            self._wake_sender()
            time.sleep(0.1)

    def _wake_sender(self) -> None:
        assert self._sender is not None
        assert self._sender.stdin is not None
        with contextlib.suppress(OSError):
            self._sender.stdin.write(b"\n")
            self._sender.stdin.flush()

    def _end_sender(self) -> None:
        assert self._sender is not None
        self._wake_sender()
        try:
            self._sender.wait(_CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            self._sender.kill()
            self._sender.wait()
        if self._sender.stdin is not None:
            with contextlib.suppress(OSError):
                self._sender.stdin.close()

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
                f"the rest of this run is not tracked: cannot write {journal.directory}: "
                f"{error.strerror or error}"
            )

    def _fit(self, name: str, text: str, limit: int, folder: str) -> str:
        if len(text) <= limit:
            return text
        file = f"{folder}/{name.replace('/', '_')}.txt"
        self.log_text(text, file)
        return f"{len(text):,} characters, in the artifact {file}"

    def _text_of(self, path: Path) -> str | None:
        """The content of a small text file; nothing for any other."""
        if path.suffix not in _TEXT_SUFFIXES or path.stat().st_size > _LARGEST_TEXT_BYTES:
            return None
        try:
            return path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            return None


_PARAMS_PER_EVENT = math.ceil(MAX_PARAMS / 4)


def _report(directory: Path) -> None:
    state = DeliveryState.read(directory)
    waiting = pending_events(directory)
    if waiting:
        reason = state.error or "the tracking store is slow"
        advice = state.remedy or "run `python -m pipeline sync`"
        events = "1 event waits" if waiting == 1 else f"{waiting:,} events wait"
        notice(
            f"tracking: {events} in {directory}, to be delivered by `python -m pipeline sync`; "
            f"the run itself is complete. {reason}; {advice}"
        )
    if state.refused:
        notice(f"tracking: the store refused {state.refused} items: {state.refusal}")
