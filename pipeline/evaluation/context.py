"""What is known of a model besides its predictions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.tasks.base import Column, IntArray


@dataclass(frozen=True)
class Context:
    """What is known of the model besides its predictions.

    Attributes:
        columns: What its task reads.
        label_names: Names by label id, in the order of `scores`.
        state: What its task learned, as `Task.state` gives it.
        units: Of the rows that are shown which can only be measured together, as `Task.units`
            gives them; None where each is measured for itself.
    """

    columns: tuple[Column, ...]
    label_names: tuple[str, ...] = ()
    state: Mapping[str, Any] = field(default_factory=dict)
    units: IntArray | None = None

    @property
    def is_ranking(self) -> bool:
        """Whether the numbers to find order rows that are measured together."""
        target = self.target
        return target is not None and target.kind == "number" and self.units is not None

    @property
    def target(self) -> Column | None:
        """What has to be found; the first, where there are several."""
        return next((column for column in self.columns if column.is_target), None)
