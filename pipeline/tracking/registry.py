"""MLflow's model registry: versions of registered models, their aliases, tags and texts."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.config.schema import TrackingConfig
from pipeline.errors import UserError
from pipeline.tracking.access import StoreAccess
from pipeline.tracking.params import clean_name
from pipeline.tracking.secrets import Redactor
from pipeline.tracking.status import user_interface
from pipeline.tracking.store import URI_VARIABLE

if TYPE_CHECKING:
    from mlflow.entities import LoggedModel
    from mlflow.entities.model_registry import ModelVersion, RegisteredModel
    from mlflow.tracking import MlflowClient

_MAX_TEXT = 5_000
"""Characters that a database has room for in a description or a tag of a version."""
_DEFAULT_STORE = threading.Lock()
_LINKS_TAG = "mlflow.modelVersions"
"""The tag of a logged model from which the UI knows the versions made of it."""


@dataclass(frozen=True)
class Version:
    """A version of a registered model.

    Attributes:
        name: The registered model.
        number: 1 for its first version.
        run_id: The run that trained it; None if something else registered it without.
        source: Where its files are from, `models:/<model id>` for a logged model.
        created: Unix time in seconds.
        tags: Texts by name.
    """

    name: str
    number: int
    run_id: str | None
    source: str
    created: float
    tags: Mapping[str, str]

    def __str__(self) -> str:
        return f"{self.name} version {self.number}"


class ModelRegistry:
    """Reads and writes the registry of the tracking store.

    Every method raises `EnvironmentProblem` if the store does not answer or refuses.

    Args:
        tracking: The tracking section.
        root: `artifacts.lasting_root()`.

    Raises:
        UserError: If the config does not track.
    """

    def __init__(self, tracking: TrackingConfig, root: Path) -> None:
        self._store = StoreAccess(tracking, root)
        self._redactor = Redactor()

    def names(self) -> list[str]:
        """The registered models, sorted."""
        found: list[str] = []
        token: str | None = None
        with self._store.asking() as client:
            while True:
                page = client.search_registered_models(max_results=100, page_token=token)
                found += [model.name for model in page]
                token = page.token
                if not token:
                    return sorted(found)

    def version(self, name: str, number: int) -> Version | None:
        """The version of this number; None if there is none."""
        return next((one for one in self.versions(name) if one.number == number), None)

    def versions(self, name: str) -> list[Version]:
        """Every version of a registered model, the first one first; none of an unknown model."""
        found: list[Version] = []
        token: str | None = None
        with self._store.asking() as client:
            while True:
                page = client.search_model_versions(f"name = '{name}'", page_token=token)
                found += [_value(version) for version in page]
                token = page.token
                if not token:
                    return sorted(found, key=lambda version: version.number)

    def aliased(self, name: str, alias: str) -> Version | None:
        """The version that an alias points to; None if it points nowhere."""
        with self._store.asking() as client:
            model = _model(client, name)
            number = None if model is None else model.aliases.get(alias)
            return None if number is None else _value(client.get_model_version(name, str(number)))

    def create(
        self, name: str, *, run_id: str, model_id: str, description: str, tags: Mapping[str, str]
    ) -> Version:
        """Makes a logged model a version of a registered model, which is made if it is missing.

        A logged model is one version of a registered model, also where several processes register
        it at once: each makes one, and only the first stays.

        Args:
            name: The registered model.
            run_id: The run that trained it.
            model_id: The logged model.
            description: Markdown.
            tags: Texts by name.

        Raises:
            UserError: If the logged model was deleted.
        """
        source = f"models:/{model_id}"
        with self._store.asking() as client:
            _logged_model(client, model_id)
            if _model(client, name) is None:
                _create_model(client, name)
            with _default_store(self._store.uri):
                made = client.create_model_version(
                    name,
                    source,
                    run_id,
                    tags=self._clean(tags),
                    description=self._text(description),
                    model_id=model_id,
                )
            number = int(made.version)
        first = next(one for one in self.versions(name) if one.source == source)
        with self._store.asking() as client:
            if first.number != number:
                client.delete_model_version(name, str(number))
            _link(client, model_id, first)
        return first

    def point(self, version: Version, alias: str) -> None:
        """Lets an alias point to a version, and no longer to another."""
        with self._store.asking() as client:
            client.set_registered_model_alias(version.name, alias, str(version.number))

    def unpoint(self, name: str, alias: str) -> None:
        """Takes an alias away; without effect where there is none."""
        with self._store.asking() as client:
            client.delete_registered_model_alias(name, alias)

    def tag(self, version: Version, tags: Mapping[str, str | None]) -> None:
        """Sets tags of a version; None takes one away."""
        number = str(version.number)
        kept = {name: value for name, value in tags.items() if value is not None}
        with self._store.asking() as client:
            for name, value in self._clean(kept).items():
                client.set_model_version_tag(version.name, number, name, value)
            for name in tags.keys() - kept.keys():
                if name in version.tags:
                    client.delete_model_version_tag(version.name, number, name)

    def describe(self, version: Version, text: str) -> None:
        """Replaces a version's description, Markdown."""
        with self._store.asking() as client:
            client.update_model_version(version.name, str(version.number), self._text(text))

    def page(self, version: Version) -> str:
        """Its page in the MLflow UI, and the command that serves it, if no server does."""
        shown = user_interface(self._store.uri, self._store.root)
        page = f"{shown.base}/#/models/{version.name}/versions/{version.number}"
        return page if shown.command is None else f"{page} (served by `{shown.command}`)"

    def _clean(self, tags: Mapping[str, str]) -> dict[str, str]:
        return {
            clean_name(name): self._redactor.value(name, value)[:_MAX_TEXT]
            for name, value in tags.items()
        }

    def _text(self, text: str) -> str:
        text = self._redactor.document(text)
        return text if len(text) <= _MAX_TEXT else f"{text[: _MAX_TEXT - 1]}…"


def _model(client: MlflowClient, name: str) -> RegisteredModel | None:
    from mlflow.exceptions import MlflowException

    try:
        return client.get_registered_model(name)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise


def _logged_model(client: MlflowClient, model_id: str) -> LoggedModel:
    from mlflow.exceptions import MlflowException

    try:
        return client.get_logged_model(model_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        raise UserError(
            f"the run's logged model {model_id} was deleted in MLflow",
            remedy="train it again, then register that run",
        ) from error


def _create_model(client: MlflowClient, name: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _link(client: MlflowClient, model_id: str, version: Version) -> None:
    """Tells the logged model of its version: a server does so itself, a database does not."""
    tags = _logged_model(client, model_id).tags or {}
    links = json.loads(tags.get(_LINKS_TAG, "[]"))
    known = {(link["name"], str(link["version"])) for link in links}
    if (version.name, str(version.number)) not in known:
        links.append({"name": version.name, "version": version.number})
        client.set_logged_model_tags(model_id, {_LINKS_TAG: json.dumps(links)})


@contextmanager
def _default_store(uri: str) -> Iterator[None]:
    """MLflow's registry in a database looks up the logged model in the process's default store.

    MLflow keeps that in a variable of the environment too, and would take away the user's own.
    """
    from mlflow.tracking._tracking_service.utils import _use_tracking_uri

    with _DEFAULT_STORE:
        variable = os.environ.get(URI_VARIABLE)
        try:
            with _use_tracking_uri(uri):
                yield
        finally:
            if variable is not None:
                os.environ[URI_VARIABLE] = variable


def _value(version: ModelVersion) -> Version:
    return Version(
        name=version.name,
        number=int(version.version),
        run_id=version.run_id or None,
        source=version.source or "",
        created=version.creation_timestamp / 1000,
        tags=dict(version.tags),
    )
