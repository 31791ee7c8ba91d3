"""What a group's seeds came to: the spread of each metric, for the terminal and for tracking."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pipeline.artifacts import read_json
from pipeline.data.quality.finding import count_of
from pipeline.manifest import Manifest
from pipeline.stages.group import Member
from pipeline.statistics.student import mean, mean_interval

if TYPE_CHECKING:
    from rich.table import Table

Split = Literal["val", "test"]
"""As metrics are named in tracking."""


@dataclass(frozen=True)
class Spread:
    """A metric over the seeds.

    Attributes:
        values: By seed.
        mean: Their mean.
        deviation: Their standard deviation, as an estimate from a sample; None of one seed.
        interval: Student's interval of the mean; None of one seed.
    """

    values: Mapping[int, float]
    mean: float
    deviation: float | None
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class GroupResults:
    """The metrics of all complete members.

    Attributes:
        seeds: The members' seeds.
        primary: Name of the primary metric.
        confidence: Coverage of the intervals.
        spreads: By split and metric; a metric that a seed lacks, or has no value of, is left out,
            and a split that a seed was not measured on has none.
    """

    seeds: tuple[int, ...]
    primary: str
    confidence: float
    spreads: Mapping[Split, Mapping[str, Spread]]

    def tracked(self) -> dict[str, float]:
        """`group/<split>/<metric>_mean`, `_sd`, and the bounds `_low` and `_high` of the mean."""
        found: dict[str, float] = {}
        for split, spreads in self.spreads.items():
            for name, spread in spreads.items():
                stem = f"group/{split}/{name}"
                found[f"{stem}_mean"] = spread.mean
                if spread.deviation is not None and spread.interval is not None:
                    found[f"{stem}_sd"] = spread.deviation
                    found[f"{stem}_low"], found[f"{stem}_high"] = spread.interval
        return found

    def table(self) -> Table:
        """The primary metric of every seed, then its mean, interval and spread."""
        from rich.box import SIMPLE_HEAD
        from rich.table import Table

        splits = [split for split, spreads in self.spreads.items() if self.primary in spreads]
        table = Table(box=SIMPLE_HEAD, pad_edge=False)
        table.add_column("seed", no_wrap=True)
        for split in splits:
            table.add_column(f"{split}/{self.primary}", justify="right", no_wrap=True)
        columns = [self.spreads[split][self.primary] for split in splits]
        for seed in self.seeds:
            table.add_row(str(seed), *(f"{column.values[seed]:.4f}" for column in columns))
        table.add_section()
        for name, cells in self._summary(columns):
            table.add_row(name, *cells)
        return table

    def markdown(self) -> str:
        """What MLflow's UI shows as the group's description: all seeds, then all metrics."""
        splits = [split for split, spreads in self.spreads.items() if self.primary in spreads]
        columns = [self.spreads[split][self.primary] for split in splits]
        lines = [
            f"One configuration, {count_of(len(self.seeds), 'seed')}.",
            "",
            *_markdown_row("seed", [f"{split}/{self.primary}" for split in splits], head=True),
        ]
        for seed in self.seeds:
            lines += _markdown_row(str(seed), [f"{column.values[seed]:.4f}" for column in columns])
        for name, cells in self._summary(columns):
            lines += _markdown_row(f"**{name}**", cells)
        rows = [
            (f"{split}/{name}", spread)
            for split, spreads in self.spreads.items()
            for name, spread in spreads.items()
        ]
        names = ["mean", self._interval_name, "standard deviation"]
        lines += ["", *_markdown_row("metric", names, head=True)]
        for name, spread in rows:
            lines += _markdown_row(name, [cell for _, (cell,) in self._summary([spread])])
        return "\n".join(lines)

    @property
    def _interval_name(self) -> str:
        return f"{self.confidence * 100:g} % interval of the mean"

    def _summary(self, columns: Sequence[Spread]) -> list[tuple[str, list[str]]]:
        intervals = [column.interval for column in columns]
        deviations = [column.deviation for column in columns]
        return [
            ("mean", [f"{column.mean:.4f}" for column in columns]),
            (
                self._interval_name,
                ["–" if i is None else f"{i[0]:.4f} … {i[1]:.4f}" for i in intervals],
            ),
            ("standard deviation", ["–" if d is None else f"{d:.4f}" for d in deviations]),
        ]


def group_results(
    members: Sequence[Member], names: Sequence[str], confidence: float
) -> GroupResults:
    """Reads what the members' models and evaluations say.

    Args:
        members: Those with a complete model.
        names: The metrics, the primary one first.
        confidence: Coverage of the intervals.

    Raises:
        UserError: If a file is damaged.
    """
    measured: dict[Split, dict[int, Mapping[str, float]]] = {"val": {}, "test": {}}
    for member in members:
        measured["val"][member.seed] = Manifest.read(member.outputs.model).validation
        path = member.outputs.evaluation / "metrics.json"
        if path.is_file():
            entries = read_json(path)["test"]
            measured["test"][member.seed] = {k: entry["value"] for k, entry in entries.items()}
    seeds = tuple(member.seed for member in members)
    return GroupResults(
        seeds=seeds,
        primary=names[0],
        confidence=confidence,
        spreads={
            split: {
                name: _spread({seed: by_seed[seed][name] for seed in seeds}, confidence)
                for name in names
                if all(name in by_seed.get(seed, ()) for seed in seeds)
            }
            for split, by_seed in measured.items()
        },
    )


def _spread(values: Mapping[int, float], confidence: float) -> Spread:
    numbers = list(values.values())
    middle = mean(numbers)
    assert middle is not None
    deviation = statistics.stdev(numbers) if len(numbers) > 1 else None
    return Spread(values, middle, deviation, mean_interval(numbers, confidence))


def _markdown_row(first: str, cells: Sequence[str], *, head: bool = False) -> list[str]:
    row = f"| {' | '.join([first, *cells])} |"
    return [row, f"|{' --- |' * (len(cells) + 1)}"] if head else [row]
