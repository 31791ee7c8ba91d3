"""Names of registered models and of the two aliases."""

from __future__ import annotations

import re

from pipeline.errors import UserError

CANDIDATE = "candidate"
"""The version that was registered last and waits for its promotion."""
CHAMPION = "champion"
"""The version in use."""
_NAME = re.compile(r"[\w.-][\w. -]{0,254}")


def default_name(task: str, data: str) -> str:
    """The registered model of a task and dataset: its versions are comparable.

    Args:
        task: Name of the task's option, for example `text_classification`.
        data: Name of the dataset.
    """
    return re.sub(r"[^\w.-]", "-", f"{task}-{data}")


def check_name(name: str) -> str:
    """Returns a name that MLflow takes for a registered model.

    Raises:
        UserError: If it does not take it.
    """
    if _NAME.fullmatch(name) is None or not name.strip(". "):
        raise UserError(
            "the name of a registered model has letters, digits, spaces and `_ . -`, at most 255; "
            f"got {name!r} from --name or MODEL",
            remedy=f"for example {default_name('', name).strip('-. ') or 'my-model'}",
        )
    return name
