"""What the tracking store knows of runs, as plain values; nothing here changes it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.config.schema import TrackingConfig
from pipeline.console import moment
from pipeline.errors import UserError
from pipeline.tracking.access import StoreAccess
from pipeline.tracking.links import PARENT_TAG
from pipeline.tracking.records import (
    ROLE_TAG,
    DatasetLink,
    RunRecord,
    VersionLink,
    record_of,
)
from pipeline.tracking.remote import KEY_TAG
from pipeline.tracking.status import user_interface

if TYPE_CHECKING:
    from mlflow.entities import Run

__all__ = ["DatasetLink", "RunReader", "RunRecord", "VersionLink"]

_PAGE = 1_000
"""Runs asked for at once."""
_SHORTEST_PREFIX = 4
_MOST_NAMED = 10
_RUN_ID = re.compile(r"[0-9a-f]{1,32}")


class RunReader:
    """Reads runs; nothing is asked before the first call.

    Every method raises `EnvironmentProblem` if the store does not answer, and `UserError` if it is
    a SQLite file that does not exist yet.

    Args:
        tracking: The tracking section.
        root: `artifacts.lasting_root()`.

    Raises:
        UserError: If the config does not track.
    """

    def __init__(self, tracking: TrackingConfig, root: Path) -> None:
        self._store = StoreAccess(tracking, root)

    @property
    def address(self) -> str:
        """The store's address without secrets."""
        return self._store.address

    @property
    def ui_command(self) -> str | None:
        """What to type in the root so that `page` is served; None if a server serves it."""
        return user_interface(self._store.uri, self._store.root).command

    def find(self, word: str) -> RunRecord:
        """The one active run that a word means.

        Args:
            word: A run's id or the beginning of one (four characters or more), its key, or its
                name.

        Raises:
            UserError: If there is none, or several; then it lists them.
        """
        runs = self._matching(word)
        if len(runs) == 1:
            return self._record(runs[0])
        if not runs:
            raise UserError(
                f"the tracking store {self.address} has no run {word!r}",
                remedy="`python -m pipeline runs` lists them; give an id, the beginning of one "
                f"({_SHORTEST_PREFIX} characters or more) or a name",
            )
        lines = [
            f"  {run.info.run_id}  {moment(run.info.start_time / 1000)}  {run.info.run_name}"
            for run in runs[:_MOST_NAMED]
        ]
        if len(runs) > _MOST_NAMED:
            lines.append(f"  and {len(runs) - _MOST_NAMED} more")
        raise UserError(
            f"{word!r} may be any of {len(runs)} runs, the newest first:\n" + "\n".join(lines),
            remedy="name one by its id",
        )

    def get(self, run_id: str) -> RunRecord:
        """The run of this whole id.

        Raises:
            UserError: If the store has none, or it was deleted.
        """
        run = self._by_id(run_id)
        if run is None:
            raise UserError(
                f"the tracking store {self.address} has no run {run_id}",
                remedy="`python -m pipeline runs` lists them",
            )
        return self._record(run)

    def latest(
        self, experiment: str | None = None, *, roles: Collection[str] = (), limit: int = 100
    ) -> list[RunRecord]:
        """The active runs that started last, the newest first.

        Args:
            experiment: The experiment's name; None for all of them.
            roles: Only runs of these roles, "" for runs without one; none for any.
            limit: At most so many.

        Returns:
            None of an experiment that does not exist.
        """
        ids = [id_ for id_, name in self._experiments.items() if experiment in {None, name}]
        filters = [
            f"tags.{ROLE_TAG} = '{role}'" if role else f"tags.{ROLE_TAG} IS NULL"
            for role in sorted(roles)
        ] or [""]
        runs = [run for text in filters for run in self._search(ids, text, limit)]
        runs.sort(key=lambda run: (-run.info.start_time, run.info.run_id))
        return [self._record(run) for run in runs[:limit]]

    def children(self, run_id: str) -> list[RunRecord]:
        """The active runs nested in one, the newest first."""
        ids = list(self._experiments)
        runs = self._search(ids, f"tags.`{PARENT_TAG}` = '{run_id}'")
        return [self._record(run) for run in runs]

    def history(self, run_id: str, metric: str) -> list[tuple[int, float, int]]:
        """Every point of a metric: step, value and Unix time in milliseconds, by step."""
        with self._store.asking() as client:
            points = client.get_metric_history(run_id, metric)
        return sorted((point.step, point.value, point.timestamp) for point in points)

    def artifact(self, run_id: str, path: str, into: Path) -> Path | None:
        """Fetches a file or directory of a run's artifacts.

        Args:
            run_id: The run.
            path: Where it lies among them, for example `evaluation/metrics.json`.
            into: An existing directory; the artifact comes to `into / path`.

        Returns:
            Where it is now; None if the run has no such artifact.
        """
        path = path.strip("/")
        parent = path.rpartition("/")[0]
        with self._store.asking() as client:
            there = client.list_artifacts(run_id, parent or None)
            if all(entry.path != path for entry in there):
                return None
            return Path(client.download_artifacts(run_id, path, str(into)))

    def artifacts(self, run_id: str, path: str = "") -> list[str]:
        """Paths of the artifacts in a directory ("" is the top); directories end in a slash."""
        with self._store.asking() as client:
            there = client.list_artifacts(run_id, path.strip("/") or None)
        return sorted(f"{entry.path}/" if entry.is_dir else str(entry.path) for entry in there)

    def versions(self, run_id: str) -> list[VersionLink]:
        """The versions of registered models that were made of a run, with their aliases."""
        with self._store.asking() as client:
            found = client.search_model_versions(f"run_id = '{run_id}'")
            names = dict.fromkeys(version.name for version in found)
            aliases = {name: client.get_registered_model(name).aliases for name in names}
        return sorted(
            VersionLink(
                version.name,
                int(version.version),
                tuple(
                    a for a, v in aliases[version.name].items() if str(v) == str(version.version)
                ),
            )
            for version in found
        )

    def page(self, record: RunRecord) -> str:
        """Its page in the MLflow UI, on the server or on the address of `ui_command`."""
        shown = user_interface(self._store.uri, self._store.root)
        return shown.run_page(record.experiment_id, record.run_id)

    def _matching(self, word: str) -> list[Run]:
        if not word or any(mark in word for mark in "'\"\\"):
            return []
        ids = list(self._experiments)
        if _RUN_ID.fullmatch(word) and len(word) >= _SHORTEST_PREFIX:
            if len(word) == 32:
                run = self._by_id(word)
                found = [] if run is None else [run]
            else:
                found = self._search(ids, f"attributes.run_id LIKE '{word}%'")
            if found:
                return found
        return self._search(ids, f"tags.`{KEY_TAG}` = '{word}'") or self._search(
            ids, f"attributes.run_name = '{word}'"
        )

    def _by_id(self, run_id: str) -> Run | None:
        from mlflow.exceptions import MlflowException

        with self._store.asking() as client:
            try:
                run = client.get_run(run_id)
            except MlflowException as error:
                if error.error_code in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
                    return None
                raise
        if run.info.lifecycle_stage != "active":
            raise UserError(
                f"run {run_id} was deleted in MLflow",
                remedy=f"bring it back with `mlflow runs restore --run-id {run_id}`",
            )
        return run

    def _search(self, ids: list[str], text: str, limit: int | None = None) -> list[Run]:
        """Active runs that fit a filter, the newest first."""
        return list(self._pages(ids, text, limit)) if ids else []

    def _pages(self, ids: list[str], text: str, limit: int | None) -> Iterator[Run]:
        token: str | None = None
        rest = limit
        while rest is None or rest > 0:
            size = _PAGE if rest is None else min(rest, _PAGE)
            with self._store.asking() as client:
                page = client.search_runs(ids, text, max_results=size, page_token=token)
            yield from page
            rest = None if rest is None else rest - len(page)
            token = page.token
            if not token:
                return

    @cached_property
    def _experiments(self) -> dict[str, str]:
        """Names of the active experiments, by id."""
        names: dict[str, str] = {}
        token: str | None = None
        with self._store.asking() as client:
            while True:
                page = client.search_experiments(max_results=_PAGE, page_token=token)
                names.update((str(one.experiment_id), str(one.name)) for one in page)
                token = page.token
                if not token:
                    return names

    def _record(self, run: Run) -> RunRecord:
        experiment_id = str(run.info.experiment_id)
        name = self._experiments.get(experiment_id)
        if name is None:
            with self._store.asking() as client:
                name = str(client.get_experiment(experiment_id).name)
        return record_of(run, name)
