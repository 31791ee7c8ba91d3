"""The data-quality report as one HTML file, readable on a phone, in the dark and on paper."""

from __future__ import annotations

from html import escape
from typing import Any

from pipeline.data.quality.charts import class_bars, length_histogram
from pipeline.data.quality.finding import Finding, show
from pipeline.data.quality.frame import SIGNS, document, prose
from pipeline.data.quality.report import QualityReport
from pipeline.data.quality.statistics import SplitStatistics

MOST_CLASSES = 20


def page(report: QualityReport) -> str:
    """The report as a self-contained HTML document."""
    noted = [one for one in report.findings if one.severity != "ok"]
    fine = [one for one in report.findings if one.severity == "ok"]
    body = [
        f"<h1>Data quality: {escape(report.dataset)}</h1>",
        f'<p class="faint">{escape(report.task)} · {_encoded_by(report)}</p>',
        _verdict(report),
        _split_table(report),
        "<h2>Findings</h2>",
        "".join(map(_card, noted)) or "<p>Nothing to report.</p>",
        "<details><summary>"
        f"{len(fine)} checks without a finding</summary>{''.join(map(_card, fine))}</details>",
        "<h2>Classes</h2>" if any(part.classes for part in report.splits.values()) else "",
        '<div class="columns">',
        *(
            f"<section><h3>{escape(name)}</h3>{class_bars(part.classes, MOST_CLASSES)}</section>"
            for name, part in report.splits.items()
            if part.classes
        ),
        "</div>",
        '<h2>Tokens per row</h2><p class="faint">Before cutting, special tokens included.</p>'
        if _has_tokens(report)
        else "",
        *(_lengths(name, report) for name in report.splits if _has_tokens(report)),
        "<h2>Cleaning</h2>",
        _cleaning(report),
    ]
    return document(f"Data quality: {report.dataset}", "".join(body))


def _has_tokens(report: QualityReport) -> bool:
    return all(part.has_tokens for part in report.splits.values())


def _encoded_by(report: QualityReport) -> str:
    if not _has_tokens(report):
        return f"for {escape(report.tokenizer)}"
    return f"tokenizer of {escape(report.tokenizer)} · at most {report.max_length:,} tokens"


def _verdict(report: QualityReport) -> str:
    counts = [
        f"{len(found)} {word}{'s' if len(found) > 1 else ''}"
        for severity, word in (("error", "error"), ("warning", "warning"), ("info", "note"))
        if (found := report.of(severity))  # type: ignore[arg-type]
    ]
    words = ", ".join(counts) or "all checks passed"
    return (
        f'<p class="verdict {report.severity}"><span class="sign">{SIGNS[report.severity]}</span> '
        f"{words[0].upper()}{words[1:]}</p>"
    )


def _split_table(report: QualityReport) -> str:
    lines = [
        f'<tr><th scope="row">{escape(name)}</th><td>{part.rows:,}</td>'
        f"<td>{len(part.classes) or '–'}</td>{_token_cells(part)}</tr>"
        for name, part in report.splits.items()
    ]
    tokens = "<th>Median tokens</th><th>95 %</th><th>Longest</th><th>Cut</th><th>Unknown</th>"
    return (
        '<div class="scroll"><table class="splits"><thead><tr><th>Split</th><th>Rows</th>'
        f"<th>Classes</th>{tokens if _has_tokens(report) else ''}</tr></thead>"
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _token_cells(part: SplitStatistics) -> str:
    if not part.has_tokens:
        return ""
    return (
        f"<td>{part.lengths['p50']:.0f}</td>"
        f"<td>{part.lengths['p95']:.0f}</td><td>{part.lengths['p100']:.0f}</td>"
        f"<td>{show(part.truncated_rows / max(part.rows, 1), 'share')}</td>"
        f"<td>{show(part.unknown_tokens / max(part.tokens, 1), 'share')}</td>"
    )


def _card(found: Finding) -> str:
    limits = " · ".join(
        f"{word} above {show(limit, found.kind)}"
        for word, limit in (("warning", found.warn), ("error", found.error))
        if limit is not None
    )
    parts = [
        f'<article class="{found.severity}"><h3><span class="sign" title="{found.severity}">'
        f"{SIGNS[found.severity]}</span>{escape(found.title)}"
        f'<span class="value">{found.shown_value}</span></h3><p>{prose(found.message)}</p>'
    ]
    if found.advice:
        parts.append(f'<p class="advice"><b>What to do:</b> {prose(found.advice)}</p>')
    if found.by_split and found.value:
        shares = ", ".join(
            f"{escape(name)} {show(value, found.kind)}" for name, value in found.by_split.items()
        )
        parts.append(f'<p class="faint">{shares}</p>')
    if limits:
        parts.append(f'<p class="faint"><code>data.quality.{found.check}</code>: {limits}</p>')
    if found.examples:
        parts.append(_examples(found.examples))
    return "".join(parts) + "</article>"


def _examples(examples: tuple[dict[str, Any], ...]) -> str:
    columns = list(examples[0])
    head = "".join(f"<th>{escape(name.replace('_', ' '))}</th>" for name in columns)
    lines = "".join(
        "<tr>"
        + "".join(
            f'<td class="{escape(name)}">{escape(str(case.get(name, "")))}</td>' for name in columns
        )
        + "</tr>"
        for case in examples
    )
    return (
        f'<details><summary>Examples</summary><div class="scroll"><table class="examples">'
        f"<thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table></div></details>"
    )


def _lengths(name: str, report: QualityReport) -> str:
    part = report.splits[name]
    numbers = ", ".join(
        f"{label} {part.lengths[key]:,.0f}"
        for key, label in (
            ("p0", "shortest"),
            ("p25", "25 %"),
            ("p50", "median"),
            ("p75", "75 %"),
            ("p95", "95 %"),
            ("p99", "99 %"),
            ("p100", "longest"),
        )
    )
    chart = length_histogram(
        part.histogram,
        num_bars=max(len(other.histogram) for other in report.splits.values()),
        bin_width=part.bin_width,
        max_length=report.max_length,
        label=f"Tokens per row of the {name} split: {numbers}",
    )
    return f'<section><h3>{escape(name)}</h3>{chart}<p class="faint">{numbers}</p></section>'


def _cleaning(report: QualityReport) -> str:
    lines = [
        f'<tr><th scope="row">{escape(str(step.get("step", "")))}</th><td>'
        + escape(
            ", ".join(
                f"{key.replace('_', ' ')}: {value:,}"
                if isinstance(value, int)
                else f"{key}: {value}"
                for key, value in step.items()
                if key != "step"
            )
        )
        + "</td></tr>"
        for step in report.cleaning
    ]
    lines += [
        f'<tr><th scope="row">left out: {escape(reason.replace("_", " "))}</th>'
        f"<td>{count:,} rows</td></tr>"
        for reason, count in report.dropped.items()
    ]
    if not lines:
        return "<p>No cleaning steps, and no row was left out.</p>"
    return f'<div class="scroll"><table class="cleaning">{"".join(lines)}</table></div>'
