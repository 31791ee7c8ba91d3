"""Bars and histograms as inline SVG and HTML: no script, no file beside the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from pipeline.data.quality.statistics import NUM_BINS

WIDTH, HEIGHT, BASE = 640, 150, 22
"""Drawing units of a histogram, and the height of its axis labels."""


def class_bars(counts: Mapping[str, int], most: int) -> str:
    """One bar for each class with its rows and share.

    Args:
        counts: Rows by class.
        most: Classes shown; the others are summed up.
    """
    total = sum(counts.values())
    largest = max(counts.values(), default=0)
    shown = list(counts.items())[:most]
    lines = [
        f'<tr><th scope="row">{escape(name)}</th><td class="number">{count:,}</td>'
        f'<td class="number faint">{count / total:.1%}</td>'
        f'<td class="bar"><span style="width:{100 * count / largest:.1f}%"></span></td></tr>'
        for name, count in shown
    ]
    if len(counts) > most:
        rest = total - sum(count for _, count in shown)
        lines.append(
            f'<tr><th scope="row">{len(counts) - most} more</th><td class="number">{rest:,}</td>'
            f'<td class="number faint">{rest / total:.1%}</td><td></td></tr>'
        )
    return f'<table class="bars">{"".join(lines)}</table>'


def length_histogram(
    histogram: Sequence[int], *, num_bars: int, bin_width: int, max_length: int, label: str
) -> str:
    """Rows by their tokens; bars behind the limit, whose rows are cut, have another colour.

    Args:
        histogram: Rows in each bar, from length 0 on; the `NUM_BINS`-th holds all longer rows.
        num_bars: Bars that the width is for, so that several histograms share a scale.
        bin_width: Tokens that a bar spans.
        max_length: Most tokens that a row keeps.
        label: What a screen reader says.
    """
    if not histogram:
        return "<p>No rows.</p>"
    largest = max(histogram)
    step = WIDTH / num_bars
    top = HEIGHT - BASE
    bars = []
    for number, count in enumerate(histogram):
        height = max((top - 8) * count / largest, 1.0 if count else 0.0)
        low, high = number * bin_width, (number + 1) * bin_width - 1
        span = (
            f"{low} or more"
            if number == NUM_BINS - 1
            else f"{low}"
            if low == high
            else f"{low} to {high}"
        )
        kind = "cut" if low > max_length else "kept"
        bars.append(
            f'<rect class="{kind}" x="{number * step + 0.5:.2f}" y="{top - height:.2f}" '
            f'width="{max(step - 1, 0.5):.2f}" height="{height:.2f}">'
            f"<title>{span} tokens: {count:,} rows</title></rect>"
        )
    ticks = [
        f'<text x="{number * step:.1f}" y="{HEIGHT - 6}">{number * bin_width}</text>'
        for number in range(0, num_bars, max(1, num_bars // 8))
    ]
    limit = (max_length + 1) / bin_width * step
    line = (
        f'<line x1="{limit:.1f}" x2="{limit:.1f}" y1="0" y2="{top}"/>'
        f'<text x="{limit - 4:.1f}" y="10" text-anchor="end">max_length {max_length}</text>'
        if limit < WIDTH
        else ""
    )
    return (
        f'<svg class="histogram" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(label)}">{"".join(bars)}{"".join(ticks)}{line}</svg>'
    )
