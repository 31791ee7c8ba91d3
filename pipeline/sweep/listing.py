"""The sweeps of a project, for one who has named none."""

from __future__ import annotations

from pathlib import Path

from pipeline.console import out
from pipeline.errors import UserError
from pipeline.sweep.definition.loading import available


def list_sweeps(root: Path, *, needed_by: str | None) -> None:
    """Prints name and description of each file of `sweeps/`.

    Args:
        root: The project's root.
        needed_by: The action that needs a name; None if listing is what was asked for.

    Raises:
        UserError: If an action needs a name, or there are no sweeps.
    """
    found = available(root)
    names = ", ".join(name for name, _ in found)
    if needed_by is not None:
        raise UserError(
            f"sweep {needed_by} needs the name of a sweep",
            remedy=f"name one of {names}" if found else "write one into sweeps/",
        )
    if not found:
        raise UserError(
            "there are no sweeps: sweeps/ holds no YAML file",
            remedy="write one; docs/sweeps.md says what it may hold",
        )
    width = max(len(name) for name, _ in found)
    for name, description in found:
        out.print(f"{name:{width}}  {description}", markup=False)
