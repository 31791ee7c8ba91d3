"""`python -m pipeline register`: a run's model becomes the candidate of a registered model."""

from __future__ import annotations

from pathlib import Path

from pipeline.artifacts import lasting_root
from pipeline.comparison.loading import title
from pipeline.config.compose import compose
from pipeline.console import notice, out, warn
from pipeline.errors import UserError
from pipeline.registry.describing import dirt_in_words, version_tags, version_text
from pipeline.registry.finding import find_model_run, logged_model
from pipeline.registry.naming import CANDIDATE, CHAMPION, check_name, default_name
from pipeline.tracking.reading import RunReader, RunRecord
from pipeline.tracking.registry import ModelRegistry


def register(word: str, *, name: str | None, root: Path) -> int:
    """Makes a run's model a version with the alias `candidate`, and says so.

    The same run is one version however often it is registered. A champion stays what it is.

    Args:
        word: The run, as `RunReader.find` takes it.
        name: The registered model; by default named by task and dataset.
        root: The project's root.

    Returns:
        0.

    Raises:
        UserError: If the word means no run or several models, or the run logged no model.
        EnvironmentProblem: If the store does not answer or refuses.
    """
    tracking = compose([], root).tracking
    if name is not None:
        check_name(name)
    reader = RunReader(tracking, lasting_root(root))
    registry = ModelRegistry(tracking, lasting_root(root))
    record = find_model_run(reader, word)
    name = name or _default_name(record)
    if record.status not in {"FINISHED", "RUNNING"}:
        warn(f"{title(record)} ended as {record.status.lower()}, after it had logged its model")
    dirt = dirt_in_words(record)
    if dirt is not None:
        warn(dirt)

    source = f"models:/{logged_model(record)}"
    version = next((one for one in registry.versions(name) if one.source == source), None)
    known = version is not None
    if version is None:
        version = registry.create(
            name,
            run_id=record.run_id,
            model_id=logged_model(record),
            description=version_text(record),
            tags=version_tags(record),
        )
    champion = registry.aliased(name, CHAMPION)
    if champion is not None and champion.number == version.number:
        out.print(f"{version} is this run's model already, and the champion", soft_wrap=True)
        return 0
    registry.point(version, CANDIDATE)
    was = "was registered before and is" if known else "is"
    out.print(f"{version} {was} the candidate: models:/{name}@{CANDIDATE}", soft_wrap=True)
    notice(f"page: {registry.page(version)}")
    notice(f"to make it the champion: python -m pipeline promote {_argument(name)}")
    return 0


def _default_name(record: RunRecord) -> str:
    task, data = record.params.get("task.name"), record.params.get("data.name")
    if task is None or data is None:
        raise UserError(
            f"{title(record)} does not say its task and data, by which a registered model is named",
            remedy="name it yourself with --name",
        )
    return default_name(task, data)


def _argument(name: str) -> str:
    return f"'{name}'" if " " in name else name
