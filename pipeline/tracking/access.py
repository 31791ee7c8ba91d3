"""The store as commands that ask it open it: an answer or an error in plain words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.config.schema import TrackingConfig
from pipeline.errors import EnvironmentProblem, PipelineError, UserError
from pipeline.tracking.faults import explain
from pipeline.tracking.secrets import Redactor
from pipeline.tracking.store import connect, resolve_uri, sqlite_path
from pipeline.tracking.sync import sync

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient


class StoreAccess:
    """The tracking store of a project, opened at the first question.

    Before that, the journals that wait are delivered without a word, so that the answers are whole.

    Args:
        tracking: The tracking section.
        root: `artifacts.lasting_root()`.

    Attributes:
        uri: The store's address, which may hold a password.
        address: The same without secrets.

    Raises:
        UserError: If the config does not track.
    """

    def __init__(self, tracking: TrackingConfig, root: Path) -> None:
        if not tracking.enabled:
            raise UserError(
                "tracking is off (tracking.enabled is false), so there are no runs to look at",
                remedy="leave tracking.enabled at true",
            )
        self._tracking = tracking
        self.root = root.resolve()
        self.uri = resolve_uri(tracking.uri, self.root)
        self.address = Redactor().text(self.uri)

    @cached_property
    def client(self) -> MlflowClient:
        """MLflow's own client.

        Raises:
            UserError: If the store is a SQLite file that does not exist: nothing was tracked yet.
        """
        with suppress(OSError):
            sync(self.root, self._tracking)
        path = sqlite_path(self.uri)
        if path is not None and not path.exists():
            raise UserError(
                f"there are no tracked runs yet: the store {self.address} does not exist",
                remedy="`dvc repro` or `python -m pipeline train` makes one; runs of another store "
                "are found with MLFLOW_TRACKING_URI",
            )
        return connect(self.uri, self.root)

    @contextmanager
    def asking(self) -> Iterator[MlflowClient]:
        """Gives the client to a block, whose failures become words.

        Raises:
            EnvironmentProblem: If the store does not answer, or refuses.
        """
        try:
            yield self.client
        except PipelineError:
            raise
        except Exception as error:
            fault = explain(error, self.address)
            redactor = Redactor()
            raise EnvironmentProblem(
                redactor.text(fault.message), remedy=redactor.text(fault.remedy)
            ) from error
