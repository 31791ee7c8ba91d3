"""Sets tags on runs that ended long ago, which no journal of this machine may know."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pipeline.config.schema import TrackingConfig
from pipeline.tracking.access import StoreAccess
from pipeline.tracking.params import MAX_TAG, clean_name
from pipeline.tracking.secrets import Redactor


def set_tags(tracking: TrackingConfig, root: Path, run_id: str, tags: Mapping[str, str]) -> None:
    """Sets tags on a run at once; a later value replaces an earlier one.

    Args:
        tracking: The tracking section.
        root: `artifacts.lasting_root()`.
        run_id: The run.
        tags: Texts by name; secrets are masked, and what is longer than MLflow keeps is cut.

    Raises:
        UserError: If the config does not track.
        EnvironmentProblem: If the store does not answer or refuses.
    """
    redactor = Redactor()
    with StoreAccess(tracking, root).asking() as client:
        for name, value in tags.items():
            client.set_tag(run_id, clean_name(name), redactor.value(name, value)[:MAX_TAG])
