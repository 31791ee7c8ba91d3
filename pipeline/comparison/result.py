"""What a comparison found, in plain values: the terminal and the HTML report only arrange it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Estimate:
    """A value with the bounds of its interval; NaN and without bounds where nothing gives any."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Member:
    """One run of a group.

    Attributes:
        run_id: Its id in MLflow.
        name: Its name there.
        seed: The seed it was trained with.
        started: Unix time in seconds.
        url: Its page in the MLflow UI.
        revision: The git commit it ran from; None outside a repository.
        dirty: Whether the tree differed from that commit.
    """

    run_id: str
    name: str
    seed: int
    started: float
    url: str | None
    revision: str | None
    dirty: bool | None


@dataclass(frozen=True)
class Group:
    """Runs of one configuration, which differ in their seeds only.

    Attributes:
        label: The letter by which tables and verdicts name it: A, B, …
        name: The runs' common name.
        members: Its runs, by seed.
        metrics: Each metric over the seeds' mean; its interval is of examples and, of several
            seeds, of seeds too.
        by_seed: Each metric of each member, in their order.
        config: The flattened configuration, without seed.
    """

    label: str
    name: str
    members: tuple[Member, ...]
    metrics: Mapping[str, Estimate]
    by_seed: Mapping[str, tuple[float, ...]]
    config: Mapping[str, str]


@dataclass(frozen=True)
class Difference:
    """One metric of one group against another's on the same examples.

    Attributes:
        metric: The metric.
        reference: Label of the group it is compared with.
        other: Label of the group in question.
        estimate: Other minus reference, with its interval.
        gain: The same with the sign that makes larger better.
        p_value: Of the two-sided test; None where it cannot be tested.
        p_adjusted: After Holm's correction over what was compared together; the same for one.
        method: The test's name in words.
        significant: Whether the adjusted p-value is below one minus the confidence.
        examples_needed: About how many examples would show such a difference; None where it is
            shown, or where no number would.
        seeds_needed: About how many seeds of each would; None likewise, and for single runs.
        verdict: All this in a sentence, without capital and full stop.
    """

    metric: str
    reference: str
    other: str
    estimate: Estimate
    gain: float
    p_value: float | None
    p_adjusted: float | None
    method: str
    significant: bool
    examples_needed: int | None
    seeds_needed: int | None
    verdict: str


@dataclass(frozen=True)
class Setting:
    """A setting in which groups differ.

    Attributes:
        name: Its dotted path.
        values: A text by group label.
    """

    name: str
    values: Mapping[str, str]


@dataclass(frozen=True)
class Cost:
    """What something cost, a mean over the members.

    Attributes:
        name: In words, for example `training time`.
        unit: For example `s`, `MB`; empty for a count.
        values: By group label; None where it is not known.
    """

    name: str
    unit: str
    values: Mapping[str, float | None]


@dataclass(frozen=True)
class Curve:
    """A metric over optimizer steps, of one member.

    Attributes:
        label: The group's.
        seed: The member's.
        metric: For example `val/loss`.
        steps: Optimizer steps, rising.
        values: One for each step.
    """

    label: str
    seed: int
    metric: str
    steps: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True)
class Example:
    """A test example on which two groups differ.

    Attributes:
        row_id: Its id.
        text: The text.
        reference: The right answer as a person reads it.
        predictions: By group label, of its first member.
        scores: By group label the mean over members of how right they are, 0 to 1.
    """

    row_id: str
    text: str
    reference: str
    predictions: Mapping[str, str]
    scores: Mapping[str, float]


@dataclass(frozen=True)
class Disagreement:
    """The examples on which one pair of groups differs most.

    Attributes:
        reference: Label of the reference.
        other: Label of the other group.
        num_other_better: Examples that the other gets more right.
        num_reference_better: Examples that the reference gets more right.
        other_better: Some of them, the largest differences first.
        reference_better: Likewise.
    """

    reference: str
    other: str
    num_other_better: int
    num_reference_better: int
    other_better: tuple[Example, ...]
    reference_better: tuple[Example, ...]


@dataclass(frozen=True)
class Slice:
    """Part of the test examples, and the difference there.

    Attributes:
        dimension: For example `length`, `label`, `language`.
        value: For example `1 to 12 words`.
        rows: How many examples.
        reference: Label of the reference.
        other: Label of the other group.
        values: The metric there by group label.
        estimate: Other minus reference, with its interval.
        p_adjusted: Holm-adjusted over all slices of the pair; None where it cannot be tested.
        significant: Whether it is below one minus the confidence.
    """

    dimension: str
    value: str
    rows: int
    reference: str
    other: str
    values: Mapping[str, float]
    estimate: Estimate
    p_adjusted: float | None
    significant: bool


@dataclass(frozen=True)
class Comparison:
    """Everything about some groups of runs over the same test examples.

    Attributes:
        experiment: The MLflow experiment.
        dataset: Name of the data.
        num_rows: Test examples.
        metric: The metric of verdict, pairs, examples and slices.
        higher_is_better: Which way that metric is better.
        confidence: Coverage of the intervals; one minus it is the level of the tests.
        num_samples: Resamples behind each interval and exchanges behind each randomised test.
        metrics: All scalar metrics, that one first.
        groups: The reference first.
        differences: Every metric of each group against the reference, corrected by metric.
        pairs: The metric for every pair, corrected together.
        settings: What differs between configurations.
        costs: What each cost.
        curves: Learning curves of every member.
        disagreements: Against the reference.
        slices: Against the reference.
        notes: What a reader must know, sentences: runs left out, seeds missing, one seed only.
    """

    experiment: str
    dataset: str
    num_rows: int
    metric: str
    higher_is_better: bool
    confidence: float
    num_samples: int
    metrics: tuple[str, ...]
    groups: tuple[Group, ...]
    differences: tuple[Difference, ...]
    pairs: tuple[Difference, ...]
    settings: tuple[Setting, ...]
    costs: tuple[Cost, ...]
    curves: tuple[Curve, ...]
    disagreements: tuple[Disagreement, ...]
    slices: tuple[Slice, ...]
    notes: tuple[str, ...]
