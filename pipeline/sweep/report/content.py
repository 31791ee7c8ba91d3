"""What a sweep's report says, the answer first."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.data.quality.finding import count_of
from pipeline.reports.blocks import Block, Code, Heading, Picture, Report, Table, Text
from pipeline.reports.words import capital, duration, listed
from pipeline.sweep.comparison import Comparison
from pipeline.sweep.report.settings import (
    has_numbered_choices,
    provenance,
    searched_space,
    settings_rows,
)
from pipeline.sweep.report.tables import (
    comparison_table,
    front_table,
    metrics_table,
    parameters_table,
    trials_table,
)
from pipeline.sweep.report.words import better, with_unit
from pipeline.sweep.study.records import StudyRecord, numbers_in_words

COMPARISON, PARETO = "comparison", "pareto"
"""Names of the pictures that not every study can have."""


def report_content(
    record: StudyRecord, comparison: Comparison | None, pictures: Sequence[Picture]
) -> Report:
    """Arranges verdict, best trial, comparison, pictures, trials, settings and provenance.

    Args:
        record: The study; of any size and state.
        comparison: The best trial beside the default; None where it was not made.
        pictures: In the order of the report.
    """
    blocks = _verdict(record, comparison)
    if record.is_multi_objective:
        blocks += _front(record)
    else:
        blocks += _best(record)
        blocks += _comparison(record, comparison, pictures)
    blocks += _pictures(record, pictures)
    if record.trials:
        counts = f"{capital(numbers_in_words(record.trials))} The best come first."
        blocks += [Heading("Trials"), Text(counts, "faint"), trials_table(record)]
    blocks += [
        Heading("Settings"),
        Table(("setting", "value"), settings_rows(record)),
        Text("What was searched:"),
        Table(("parameter", "values", "spread", "only where"), searched_space(record)),
        Heading("Provenance"),
        Table(("what", "value"), provenance(record)),
    ]
    return Report(f"Sweep: {record.name}", record.facts.settings.description, tuple(blocks))


def promote_command(study: str, trial: int | None = None) -> str:
    """The command that makes an experiment file of a trial; of the best one by default."""
    choice = "" if trial is None else f" --trial {trial}"
    return f"python -m pipeline sweep promote {study}{choice}"


def _verdict(record: StudyRecord, comparison: Comparison | None) -> list[Block]:
    work = duration(sum(trial.seconds for trial in record.trials))
    total = f"of {count_of(len(record.trials), 'trial')} ({numbers_in_words(record.trials)})"
    context = f"{total}, {work} of work"
    if not record.trials:
        return [Text("The study has no trial yet.", "warning")]
    if not record.ranked:
        return [Text("No trial came to a feasible end.", "error"), Text(capital(context), "faint")]
    if record.is_multi_objective:
        verb = "is" if len(record.ranked) == 1 else "are"
        front = f"{count_of(len(record.ranked), 'trial')} {verb} on the Pareto front"
        names = listed(metric for metric, _ in record.facts.objectives)
        return [Text(f"{front} of {names}.", "ok"), Text(capital(context), "faint")]
    best = record.ranked[0]
    metric, direction = record.primary
    found = f"trial {best.number} has the best {metric}, {with_unit(best.values[0], metric)}"
    if comparison is None:
        remark = f"{capital(context)} {capital(better(direction))}"
        return [Text(capital(found), "info"), Text(remark, "faint")]
    remark = f"In the search, {found}, {context}. {capital(better(direction))}"
    return [Text(capital(comparison.verdict), _tone(comparison)), Text(remark, "faint")]


def _tone(comparison: Comparison) -> str:
    if not comparison.significant or comparison.difference is None:
        return "info"
    return "ok" if comparison.difference > 0 else "warning"


def _best(record: StudyRecord) -> list[Block]:
    best = record.best
    if best is None:
        return []
    blocks: list[Block] = [Heading(f"Best trial: {best.number}")]
    if best.params or best.facts:
        blocks.append(parameters_table(best))
    if best.metrics:
        blocks.append(metrics_table(best, record.facts.settings.confirm.confidence))
    return [
        *blocks,
        Text("To make it the pinned experiment, which `dvc repro` then reproduces:"),
        Code(promote_command(record.name)),
    ]


def _front(record: StudyRecord) -> list[Block]:
    if not record.ranked:
        return []
    downwards = record.primary[1] == "maximize"
    ordered = sorted(record.ranked, key=lambda trial: trial.values, reverse=downwards)
    kinds = listed(f"{metric} ({better(d)})" for metric, d in record.facts.objectives)
    return [
        Heading("Pareto front"),
        Text(
            f"By {kinds}. No other trial is as good as one of these in every objective and better "
            "in one: choose by what matters to you."
        ),
        front_table(record, ordered),
        Text("To make one the pinned experiment, which `dvc repro` then reproduces, for example:"),
        Code(promote_command(record.name, ordered[0].number)),
    ]


def _comparison(
    record: StudyRecord, comparison: Comparison | None, pictures: Sequence[Picture]
) -> list[Block]:
    if record.best is None:
        return []
    heading = Heading("Best trial and default")
    if comparison is None:
        why = (
            "the sweep's settings leave it out (`confirm.seeds: 0`)"
            if record.facts.settings.confirm.seeds == 0
            else "the study has not come that far"
        )
        return [heading, Text(f"They were not compared: {why}.")]
    blocks: list[Block] = [heading]
    if comparison.is_default or not comparison.n:
        return [*blocks, Text(capital(comparison.verdict))]
    blocks.append(comparison_table(comparison))
    if comparison.n > 1:
        test = (
            "without spread there is no test"
            if comparison.p_value is None
            else f"the test is the paired t-test, p = {comparison.p_value:.2g}"
        )
        blocks.append(
            Text(
                f"Intervals are Student's over seeds; {test}. The value that the search found for "
                "its best trial is flattered by the choice among many trials; these values, of "
                "seeds that the search did not use, are not.",
                "faint",
            )
        )
    shown = [p for p in pictures if p.name == COMPARISON and not p.missing]
    return [*blocks, *shown]


def _pictures(record: StudyRecord, pictures: Sequence[Picture]) -> list[Block]:
    """Pictures, and why the others are left out: those the study could have had."""
    meant = [
        picture
        for picture in pictures
        if picture.name != COMPARISON and (picture.name != PARETO or record.is_multi_objective)
    ]
    shown = [picture for picture in meant if not picture.missing]
    absent = [f"{picture.title}: {picture.missing}." for picture in meant if picture.missing]
    blocks: list[Block] = [Heading("Pictures")]
    if shown and has_numbered_choices(record):
        note = "`choice 2` is the second of a parameter's choices, as the settings below list them."
        blocks.append(Text(note, "faint"))
    blocks += shown
    if absent:
        blocks.append(Text(f"Left out. {' '.join(absent)}", "faint"))
    return blocks
