"""How the numbers of a comparison came about, in the HTML report."""

from __future__ import annotations

from pipeline.comparison.report_words import percent
from pipeline.comparison.result import Comparison
from pipeline.reports.html import Html, plain, sentence
from pipeline.reports.words import listed

EXPLAINED = {
    "mcnemar": (
        "counts the examples that one run gets right and the other wrong; the exact binomial test "
        "with the mid-p value (McNemar 1947; Fagerland, Lydersen and Laake 2013)."
    ),
    "randomisation": (
        "exchanges the predictions of both runs on a random half of the examples, again and again; "
        "p is the share of exchanges with a difference as large as the observed one "
        "(Noreen 1989; Riezler and Maxwell 2005)."
    ),
    "bootstrap": (
        "draws the examples again with replacement, the same for both runs; p is the share of "
        "draws that differ from the observed difference by as much as that differs from zero "
        "(Efron and Tibshirani 1993; Koehn 2004)."
    ),
    "t-test": (
        "holds the difference of the means against a standard error of two parts, of drawing other "
        "examples (bootstrap, the same examples for all runs) and of training with other seeds "
        "(spread over the seeds of each group), with Satterthwaite's degrees of freedom (1946)."
    ),
}
"""By a part of a test's name what it does."""


def method_section(comparison: Comparison) -> list[Html]:
    """Tests, intervals and corrections, in a list."""
    methods: dict[str, list[str]] = {}
    for one in (*comparison.differences, *comparison.pairs):
        if one.p_value is not None and one.metric not in methods.setdefault(one.method, []):
            methods[one.method].append(one.metric)
    level = percent(round(1 - comparison.confidence, 6))
    points = [
        sentence(
            f"All runs are compared on the same {comparison.num_rows:,} test examples, by the "
            "predictions that they stored."
        ),
        sentence(
            f"Intervals cover {percent(comparison.confidence)}: of one run percentiles of "
            f"{comparison.num_samples:,} resamples of the test examples (bootstrap, Efron 1979), "
            "of several seeds Student's, with the spread over seeds in it."
        ),
        *(_test(method, metrics) for method, metrics in methods.items()),
        sentence(
            f"A difference counts as shown where its adjusted p-value is below {level}. With more "
            "than two groups p-values are adjusted after Holm (1979): over the groups compared "
            "with the reference within a metric, over all pairs in the matrix, and over all parts "
            "of the examples. No correction is made over metrics: the verdict is about "
            f"`{comparison.metric}` alone, and the other metrics are there to understand it."
        ),
        sentence(
            "Not shown does not mean equal: the interval says which differences the examples "
            "leave open. How many examples or seeds would be needed is an estimate for a chance of "
            "80 % to show a difference of the observed size."
        ),
    ]
    return [Html(f"<ul>{''.join(f'<li>{point}</li>' for point in points)}</ul>")]


def _test(method: str, metrics: list[str]) -> Html:
    name = f"{method[:1].upper()}{method[1:]}"
    words = next((text for key, text in EXPLAINED.items() if key in method.lower()), "")
    used = listed(f"`{metric}`" for metric in metrics)
    return Html(
        f"<b>{plain(name)}</b>, for {sentence(used)}{sentence(f': {words}' if words else '.')}"
    )
