"""The data-quality report: all checks of a prepared dataset, their outcome, and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from pipeline.config.data import QualityConfig
from pipeline.data.quality import audio_checks, checks, media_checks, token_checks
from pipeline.data.quality.duplicates import near_duplicates
from pipeline.data.quality.finding import ORDER, Finding, Severity, count_of, finding, show
from pipeline.data.quality.image_checks import image_findings
from pipeline.data.quality.keys import label_keys, text_keys
from pipeline.data.quality.statistics import SplitStatistics, histogram_bin_width, split_statistics
from pipeline.data.quality.text_target_checks import text_targets
from pipeline.tasks.base import Column
from pipeline.tasks.columns import input_columns, input_keys, media_columns, with_input_text


@dataclass(frozen=True)
class QualityReport:
    """What is known of a prepared dataset's quality.

    Attributes:
        dataset: The data option's name.
        task: The task's kind.
        tokenizer: Which tokenizer encoded the text, in words.
        max_length: Most tokens that a row keeps.
        findings: Outcomes of all checks, the gravest first.
        splits: Numbers of each split.
        dropped: Rows left out, by reason.
        cleaning: What each cleaning step did: its name and its counts.
    """

    dataset: str
    task: str
    tokenizer: str
    max_length: int
    findings: tuple[Finding, ...]
    splits: dict[str, SplitStatistics]
    dropped: dict[str, int]
    cleaning: tuple[dict[str, Any], ...]

    @property
    def severity(self) -> Severity:
        """That of the gravest finding."""
        return self.findings[0].severity if self.findings else "ok"

    def of(self, severity: Severity) -> tuple[Finding, ...]:
        """The findings of one severity."""
        return tuple(found for found in self.findings if found.severity == severity)

    def as_json(self) -> dict[str, Any]:
        """The report as JSON values; `outputs/dataset/quality.json`."""
        return {"severity": self.severity, **asdict(self)}


def assess(
    splits: Mapping[str, pa.Table],
    *,
    columns: Sequence[Column],
    dataset: str,
    task: str,
    tokenizer: str,
    max_length: int,
    num_special_tokens: int,
    config: QualityConfig,
    dropped: Mapping[str, int],
    cleaning: Sequence[Mapping[str, Any]] = (),
    bad_media: Sequence[Mapping[str, Any]] = (),
    trained_tokenizer: bool = False,
) -> QualityReport:
    """Checks encoded splits.

    Args:
        splits: Raw and encoded columns by split, train first. Memory-mapped tables stay on disk.
        columns: What the task reads.
        dataset: The data option's name.
        task: The task's kind.
        tokenizer: Which tokenizer encoded the text, in words.
        max_length: Most tokens that a row keeps.
        num_special_tokens: Tokens that the tokenizer adds to each text.
        config: Thresholds.
        dropped: Rows left out before, by reason: `null` (no text or no label), `empty` (text of
            only white space), and others.
        cleaning: What each cleaning step did.
        bad_media: Names and reasons of some recordings or pictures that were left out.
        trained_tokenizer: Whether the tokenizer's vocabulary was made from the train split.
    """
    keys = {name: text_keys(input_keys(table, columns)) for name, table in splits.items()}
    splits = {name: with_input_text(table, columns) for name, table in splits.items()}
    bin_width = histogram_bin_width(splits.values())
    statistics = {
        name: split_statistics(
            table,
            max_length=max_length,
            num_special_tokens=num_special_tokens,
            bin_width=bin_width,
        )
        for name, table in splits.items()
    }
    kept = sum(table.num_rows for table in splits.values())
    has_files = bool(media_columns(input_columns(columns)))
    has_tokens = all(part.has_tokens for part in statistics.values())
    found: list[Finding | None] = [
        *_left_out(dropped, kept, config),
        checks.exact_duplicates(splits, keys, config),
        *([] if has_files else near_duplicates(splits, keys, config)),
        checks.leakage(splits, keys, config),
        token_checks.misaligned_entities(splits, config),
    ]
    if has_tokens:
        found += [
            token_checks.truncated(statistics, max_length, config),
            token_checks.unknown_tokens(statistics, tokenizer, config, trained=trained_tokenizer),
            token_checks.tokens_per_character(statistics, tokenizer, trained=trained_tokenizer),
        ]
    if media_columns(columns):
        found.append(media_checks.unreadable(dropped, kept, bad_media, config))
        found += audio_checks.recordings(splits, max_length, config)
        found += image_findings(splits, config)
    targets = {column.name: column.kind for column in columns if column.is_target}
    for target, kind in targets.items():
        if kind in {"label", "labels", "number", "entities"}:
            labels = {name: label_keys(table[target]) for name, table in splits.items()}
            found.append(checks.label_conflicts(splits, keys, labels, config))
        if kind in {"label", "labels", "entities"}:
            classes = {name: numbers.classes for name, numbers in statistics.items()}
            found.append(checks.absent_classes(classes))
            if kind == "label":
                found.append(checks.imbalance(classes, config))
        if kind == "text" and not has_files:
            found += text_targets(splits, target, config)
    return QualityReport(
        dataset=dataset,
        task=task,
        tokenizer=tokenizer,
        max_length=max_length,
        findings=tuple(
            sorted((one for one in found if one), key=lambda one: ORDER.index(one.severity))
        ),
        splits=statistics,
        dropped={reason: count for reason, count in dropped.items() if count},
        cleaning=tuple(dict(step) for step in cleaning),
    )


def _left_out(dropped: Mapping[str, int], kept: int, config: QualityConfig) -> list[Finding]:
    """Rows without text or label, and rows of only white space."""
    total = kept + sum(dropped.values())
    outcomes = []
    for check, title, reason, what, threshold in (
        ("null_share", "Missing values", "null", "no text or no label", config.null_share),
        ("empty_share", "Empty texts", "empty", "an empty text", config.empty_share),
    ):
        count = dropped.get(reason, 0)
        share = count / total if total else 0.0
        outcomes.append(
            finding(
                check,
                title,
                share,
                threshold,
                message=f"{count_of(count, 'row')} ({show(share, 'share')}) with {what}, left out.",
                advice="Look at these rows in the raw file: a wrong delimiter or column mapping "
                "(data.format, data.columns) makes such rows too.",
            )
        )
    return outcomes
