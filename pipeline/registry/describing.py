"""What a model version says of the run it came from: tags to search by and a text to read."""

from __future__ import annotations

from pipeline.comparison.loading import title
from pipeline.reports.words import duration, metric
from pipeline.tracking.reading import RunRecord
from pipeline.tracking.remote import KEY_TAG

_COPIED = (
    KEY_TAG,
    "seed",
    "config.hash",
    "data.name",
    "data.hash",
    "data.test_hash",
    "weights.sha256",
    "git.revision",
    "git.dirty",
    "git.diff_sha256",
)
_TEST = "test/"


def version_tags(record: RunRecord) -> dict[str, str]:
    """The run's tags that a version keeps, so that they outlive the run."""
    return {name: record.tags[name] for name in _COPIED if name in record.tags}


def version_text(record: RunRecord) -> str:
    """Markdown: what the model is, how good it is, and where it came from."""
    lines = [f"**{record.name}**, run `{record.run_id}` of `{record.experiment}`", ""]
    names = sorted(name for name in record.metrics if _is_value(name, record))
    if names:
        lines += ["| test metric | value | interval |", "|---|---|---|"]
        lines += [_row(name, record) for name in names]
        lines.append("")
    facts = [
        ("data", _data(record)),
        ("source", _source(record)),
        ("seed", record.tags.get("seed")),
        ("parameters", _count(record, "cost/num_parameters")),
        ("trained in", _seconds(record, "cost/train_seconds")),
    ]
    lines += [f"- {name}: {text}" for name, text in facts if text]
    return "\n".join(lines)


def dirt_in_words(record: RunRecord) -> str | None:
    """What is to be known of a run from a tree with changes; None of any other."""
    if record.tags.get("git.dirty") != "true":
        return None
    return (
        f"{title(record)} ran from changes that no commit holds; its artifact git/diff.patch has "
        "them"
    )


def _is_value(name: str, record: RunRecord) -> bool:
    if not name.startswith(_TEST) or name.count("/") > 1:
        return False
    stem = name.removesuffix("_low").removesuffix("_high")
    return stem == name or stem not in record.metrics


def _row(name: str, record: RunRecord) -> str:
    low, high = record.metrics.get(f"{name}_low"), record.metrics.get(f"{name}_high")
    interval = "" if low is None or high is None else f"{metric(low)} to {metric(high)}"
    return f"| {name.removeprefix(_TEST)} | {metric(record.metrics[name])} | {interval} |"


def _data(record: RunRecord) -> str | None:
    name, digest = record.tags.get("data.name"), record.tags.get("data.hash")
    if name is None:
        return None
    return name if digest is None else f"{name}, `{digest[:12]}`"


def _source(record: RunRecord) -> str | None:
    revision = record.tags.get("git.revision")
    if revision is None:
        return None
    dirty = " with changes that no commit holds" if record.tags.get("git.dirty") == "true" else ""
    return f"`{revision[:12]}`{dirty}"


def _count(record: RunRecord, name: str) -> str | None:
    value = record.metrics.get(name)
    return None if value is None else f"{value:,.0f}"


def _seconds(record: RunRecord, name: str) -> str | None:
    value = record.metrics.get(name)
    return None if value is None else duration(value)
