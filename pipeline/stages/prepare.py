"""Stage prepare: raw data to encoded splits and a quality report."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from pipeline.artifacts import (
    PROCESSOR_DIRECTORY,
    Outputs,
    replace_directory,
    shown,
    write_json,
    write_text,
)
from pipeline.config.schema import Config
from pipeline.console import notice, progress, warn
from pipeline.data.encoding import encode_split
from pipeline.data.fingerprint import dataset_fingerprint
from pipeline.data.preparation import CleanSplits, clean_splits
from pipeline.data.preprocessing import Preprocessing
from pipeline.data.quality.page import page
from pipeline.data.quality.report import QualityReport, assess
from pipeline.data.store import DatasetInfo, EncodedSplit, write_info
from pipeline.errors import DataError
from pipeline.models.processor import make_processor, save_processor
from pipeline.stages.timing import keep_prepare_seconds
from pipeline.tasks.columns import length_unit, text_columns
from pipeline.tasks.registry import load_task

if TYPE_CHECKING:
    from rich.progress import Progress

    from pipeline.tasks.base import Column, Task
    from pipeline.tasks.processor import Processor

QUALITY_JSON = "quality.json"
QUALITY_PAGE = "quality.html"
REJECTED_PAGE = "quality_rejected.html"
"""Beside the dataset: the report of data that was refused."""


@dataclass(frozen=True)
class PrepareResult:
    """What prepare made.

    Attributes:
        directory: The prepared dataset.
        info: Rows, tokens, label names and fingerprint.
        report: The quality report.
    """

    directory: Path
    info: DatasetInfo
    report: QualityReport


def run(config: Config, *, root: Path, outputs: Outputs) -> PrepareResult:
    """Reads, cleans, divides, encodes and checks the raw data.

    Args:
        config: The resolved configuration.
        root: The project's root; raw paths start there.
        outputs: Where the dataset goes.

    Raises:
        DataError: If the raw data breaks a rule or a threshold of `data.quality`; the dataset that
            was there stays.
        UserError: If configuration or checkpoint are at fault.
        EnvironmentProblem: If the machine refuses.
    """
    begin = time.monotonic()
    task = load_task(config.task.kind, config.task.options)
    rejected = outputs.root / REJECTED_PAGE
    with replace_directory(outputs.dataset) as directory:
        info, report = _prepare(config, task, root, directory)
        if report.severity == "error":
            write_text(rejected, page(report))
            raise _refusal(report, rejected)
        write_json(directory / QUALITY_JSON, report.as_json())
        write_text(directory / QUALITY_PAGE, page(report))
    rejected.unlink(missing_ok=True)
    keep_prepare_seconds(info.fingerprint, time.monotonic() - begin, root)
    for found in report.of("warning"):
        warn(f"{found.title}: {found.message} {found.advice}".rstrip())
    rows = ", ".join(f"{name} {count:,}" for name, count in info.rows.items())
    unit = length_unit(column.kind for column in task.columns)
    notice(
        f"prepared {info.name}: {rows} rows, {sum(info.tokens.values()):,} {unit}; "
        f"quality report: {shown(outputs.dataset / QUALITY_PAGE, root)}"
    )
    return PrepareResult(outputs.dataset, info, report)


def _prepare(
    config: Config, task: Task, root: Path, directory: Path
) -> tuple[DatasetInfo, QualityReport]:
    """Writes everything but the report into a fresh directory."""
    with tempfile.TemporaryDirectory(prefix=".rows-", dir=directory) as scratch, progress() as bar:
        reading = bar.add_task("reading", total=None, note="")
        splits = clean_splits(
            config.data,
            columns=task.columns,
            root=root,
            scratch=Path(scratch),
            on_rows=lambda count: bar.advance(reading, count),
        )
        label_names = task.label_names(splits.tables["train"], splits.label_names)
        processor = make_processor(
            config.model,
            task.columns,
            root=root,
            train_texts=_texts(splits.tables["train"], task.columns),
        )
        save_processor(processor, directory / PROCESSOR_DIRECTORY)
        info = _encode(
            config,
            task=task,
            splits=splits,
            label_names=label_names,
            processor=processor,
            root=root,
            directory=directory,
            bar=bar,
        )
        checking = bar.add_task("checking", total=None, note="")
        report = assess(
            {name: EncodedSplit(directory / f"{name}.arrow").table for name in info.rows},
            columns=task.columns,
            dataset=info.name,
            task=info.task,
            tokenizer=config.model.name,
            max_length=info.max_length,
            num_special_tokens=info.num_special_tokens,
            config=config.data.quality,
            dropped=splits.dropped,
            cleaning=splits.cleaning,
            bad_media=splits.bad_media,
            trained_tokenizer=config.model.tokenizer.kind != "pretrained",
        )
        bar.update(checking, total=1, completed=1)
    write_info(directory, info)
    Preprocessing(cleaning=config.data.cleaning, max_length=info.max_length).write(directory)
    return info, report


def _encode(
    config: Config,
    *,
    task: Task,
    splits: CleanSplits,
    label_names: tuple[str, ...],
    processor: Processor,
    root: Path,
    directory: Path,
    bar: Progress,
) -> DatasetInfo:
    rows = sum(table.num_rows for table in splits.tables.values())
    encoding = bar.add_task("encoding", total=rows, note="")
    written = {
        name: encode_split(
            table,
            directory / f"{name}.arrow",
            task=task,
            processor=processor,
            label_names=label_names,
            max_length=config.model.max_length,
            root=root,
            contents=splits.contents,
            on_rows=lambda count: bar.advance(encoding, count),
        )
        for name, table in splits.tables.items()
    }
    return DatasetInfo(
        name=config.data.name,
        task=config.task.kind,
        label_names=label_names,
        pad_token_id=processor.pad_token_id,
        max_length=config.model.max_length,
        num_special_tokens=processor.num_special_tokens,
        rows={name: writer.num_rows for name, writer in written.items()},
        tokens={name: writer.num_tokens for name, writer in written.items()},
        fingerprint=dataset_fingerprint(
            {name: writer.content_hash for name, writer in written.items()},
            label_names,
            processor.identity,
        ),
        language=config.data.language,
        licence=config.data.licence,
        sources=dict(splits.sources),
    )


def _texts(rows: pa.Table, columns: Sequence[Column]) -> Iterator[str]:
    for name in text_columns(columns):
        for chunk in rows[name].chunks:
            yield from chunk.to_pylist()
    for name in (column.name for column in columns if column.kind == "messages"):
        for chunk in rows[name].chunks:
            yield from (turn["content"] for chat in chunk.to_pylist() for turn in chat)


def _refusal(report: QualityReport, rejected: Path) -> DataError:
    errors = report.of("error")
    lines = "".join(
        f"\n  {found.title}: {found.message}\n    what to do: {found.advice}" for found in errors
    )
    keys = ", ".join(f"data.quality.{found.check}.error" for found in errors)
    return DataError(
        f"the data is not fit to train on:{lines}",
        file=report.dataset,
        remedy=f"read {rejected}, then mend the data, or raise {keys} if it is meant so; "
        "the dataset prepared before was left as it was",
    )
