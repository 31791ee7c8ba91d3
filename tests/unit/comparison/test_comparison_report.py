"""The HTML report of a comparison."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.comparison.report import html_page, write_html
from pipeline.comparison.result import Comparison, Estimate, Example
from pipeline.errors import EnvironmentProblem
from tests.comparisons import bare, comparison, many_settings
from tests.shown_page import Page

EVIL = "<script>alert('x')</script> | \"quoted\" & 层"


@functools.cache
def two() -> str:
    return html_page(comparison())


@functools.cache
def four() -> str:
    return html_page(comparison(4, 3))


def quick(known: Comparison) -> Page:
    """A page with as few pictures as there can be."""
    return Page(html_page(replace(known, slices=(), curves=(), metrics=known.metrics[:1])))


SHAPES: dict[str, Callable[[], Comparison]] = {
    "two single runs": comparison,
    "five groups of five seeds": lambda: comparison(5, 5, 158),
    "nothing known": bare,
    "hundreds of settings": lambda: many_settings(400),
    "no curves and slices": lambda: replace(comparison(), curves=(), slices=()),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_comparison_of_any_shape_has_a_report(tmp_path: Path, shape: str) -> None:
    path = write_html(SHAPES[shape](), tmp_path / "new" / "report.html")
    text = path.read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>")
    shown = Page(text)
    assert "script" not in shown.tags
    assert not re.search(r"\bnan\b|None", shown.text.replace("–", ""))
    links = set(re.findall(r'href="#([a-z]+)"', text))
    assert links == set(re.findall(r'<section id="([a-z]+)"', text))


def test_a_report_that_cannot_be_written_leaves_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(EnvironmentProblem, match="cannot write"):
        write_html(bare(), tmp_path / "file" / "report.html")


def test_the_same_comparison_gives_the_same_file() -> None:
    assert html_page(comparison()) == two()


def test_the_page_runs_and_fetches_nothing_whatever_the_data_say() -> None:
    full = comparison()
    one = full.disagreements[0].other_better[0]
    case = Example(EVIL, EVIL, EVIL, {"A": EVIL, "B": EVIL}, {"A": 0.0, "B": 1.0})
    members = tuple(
        replace(m, url="javascript:alert(1)", revision=EVIL) for m in full.groups[0].members
    )
    evil = replace(
        full,
        experiment=EVIL,
        dataset=EVIL,
        groups=tuple(replace(group, name=EVIL, members=members) for group in full.groups),
        differences=tuple(replace(d, verdict=EVIL, method=EVIL) for d in full.differences),
        settings=tuple(replace(s, name=EVIL, values={"A": EVIL}) for s in full.settings),
        costs=tuple(replace(cost, name=EVIL) for cost in full.costs),
        disagreements=tuple(replace(d, other_better=(case, one)) for d in full.disagreements),
        slices=tuple(replace(part, value=EVIL, dimension=EVIL) for part in full.slices),
        notes=(EVIL,),
    )
    page = Page(html_page(evil))
    assert {"script", "img", "iframe", "object"}.isdisjoint(page.tags)
    assert all(address.startswith("#") for address in page.fetched)
    assert page.text.count(EVIL) >= 20


def test_the_verdict_of_each_group_comes_first() -> None:
    for html, count in ((two(), 1), (four(), 3)):
        start = html.index("</h1>")
        found = re.findall(r'<p class="verdict (\w+)', html[start : html.index("<nav>")])
        assert len(found) == count
    assert "B is better than A by 3.2 points" in Page(two()).text
    assert 'class="verdict ok"' in two()


def test_a_worse_group_and_an_open_question_look_different() -> None:
    full = comparison()
    (first, *rest) = full.differences
    worse = replace(first, gain=-0.03, significant=True)
    opened = replace(first, significant=False)
    for one, tone in ((worse, "warning"), (opened, "info")):
        assert f'class="verdict {tone}"' in html_page(
            replace(full, differences=(one, *rest), slices=(), curves=(), metrics=("f1_macro",))
        )


def test_two_groups_stand_side_by_side_with_difference_and_p() -> None:
    table = Page(two()).table("metric")
    assert table[0] == ["metric", "A", "B", "B − A", "p", "B"]
    assert table[1] == [
        "f1_macro",
        "0.8120.793 to 0.830",
        "0.8440.825 to 0.862",
        "+0.0320.015 to 0.049",
        "<\N{NO-BREAK SPACE}0.001",
        "better",
    ]
    assert table[-1][0] == "log_loss"
    assert table[-1][3].startswith("−0.128")
    assert table[-1][-1] == "better"


def test_more_groups_stand_below_each_metric_with_adjusted_p_values() -> None:
    table = Page(four()).table("metric and group")
    assert table[0] == ["metric and group", "value", "− A", "p", "adjusted p", ""]
    assert [row[0] for row in table[1:6]] == ["f1_macro", *(row[0] for row in table[2:6])]
    assert [row[0][0] for row in table[2:6]] == list("ABCD")
    assert table[2][2] == "reference"
    assert "<small>" in four()


def test_the_matrix_of_pairs_reads_both_ways() -> None:
    (matrix,) = (table for table in Page(four()).tables if table[0] == ["", *"ABCD"])
    assert matrix[1][1] == ""
    for row in range(1, 5):
        for column in range(row + 1, 5):
            forward, backward = matrix[row][column], matrix[column][row]
            assert {forward[0], backward[0]} == {"+", "−"}
            assert forward[1:] == backward[1:]
    assert "Every pair" not in Page(two()).text


def test_bold_and_coloured_cells_are_those_that_the_test_shows() -> None:
    full = comparison(4, 3)
    shown = sum(one.significant for one in full.pairs)
    assert len(re.findall(r'<td class="number pair (?:better|worse)"', four())) == 2 * shown > 0


def test_every_run_is_named_with_seed_revision_and_page() -> None:
    full = comparison(4, 3)
    table = Page(four()).table("group")
    for group, row in zip(full.groups, table[1:], strict=True):
        for member in group.members:
            assert f"seed {member.seed} {member.run_id[:8]}" in row[1]
            assert f'href="{member.url}"' in four()
    assert table[1][2] == "63b2a04c11"
    assert table[2][2] == "d5cb0b2c4f + changes"


def test_most_of_many_settings_are_folded_away() -> None:
    page = quick(many_settings(400))
    tables = [table for table in page.tables if table[0] == ["setting", "A", "B"]]
    assert [len(table) - 1 for table in tables] == [12, 388]
    assert "388 more settings" in page.text


def test_costs_stand_beside_their_ratio_to_the_reference() -> None:
    table = {row[0]: row[1:] for row in Page(two()).table("cost")}
    assert table["training time"][0] == "13 min 31 s"
    assert re.fullmatch(r"\d+ min \d\d s\d\.\d\d ×", table["training time"][1])
    assert table["parameters"][0] == "102 million"
    nothing = {row[0]: row[1:] for row in quick(bare()).table("cost")}
    assert nothing["energy"] == ["–", "1.5 Wh"]


def test_examples_say_who_is_right() -> None:
    text = " ".join(Page(two()).text.split())
    assert "B is right and A wrong on 87 examples" in text
    assert "Shown are 6, the largest differences first." in text
    assert "A is right and B wrong on 2 examples" in text
    full = comparison()
    (one,) = full.disagreements
    partly = replace(one.other_better[0], scores={"A": 0.25, "B": 0.75})
    found = quick(replace(full, disagreements=(replace(one, other_better=(partly,)),)))
    assert "B is more right than A on 87 examples" in found.text
    assert "75 % right" in found.text


def test_paper_shows_what_a_screen_folds_away() -> None:
    printed = two()[two().index("@media print") :]
    assert "details::details-content { content-visibility: visible" in printed


def test_groups_are_not_told_apart_by_colour_alone() -> None:
    curves = four()[four().index('id="curves"') :]
    dashes = set(re.findall(r"stroke-dasharray: ([^;\"]+)", curves))
    assert len(dashes) >= 3


@pytest.mark.parametrize(("higher", "word"), [(True, "better →"), (False, "← better")])
def test_an_axis_says_which_way_is_better(*, higher: bool, word: str) -> None:
    full = replace(comparison(), higher_is_better=higher)
    section = html_page(replace(full, slices=(), curves=())).split('<section id="metrics"')
    assert section[0].count(word) == 2
    assert "better →" in section[1]


def test_a_gain_points_right_also_where_lower_is_better() -> None:
    from pipeline.comparison.plots_differences import metric_rows

    full = comparison(2, 1)
    rows = {row.label: row.bars[0].estimate for row in metric_rows(full)}
    (loss,) = (one for one in full.differences if one.metric == "log_loss")
    assert loss.estimate.low is not None
    assert rows["log_loss"].value == loss.gain == -loss.estimate.value > 0
    assert rows["log_loss"].high == -loss.estimate.low


def test_the_method_is_named_with_its_source() -> None:
    text = two()[two().index('id="method"') :]
    for words in (
        "McNemar's test".replace("'", "&#x27;"),
        "Noreen 1989",
        "Koehn 2004",
        "Holm (1979)",
    ):
        assert words in text
    assert "Satterthwaite" not in text
    assert "Satterthwaite" in four()[four().index('id="method"') :]


def test_the_notes_stand_above_the_tables() -> None:
    assert two().index("another seed may turn") < two().index("<nav>")


def test_slices_are_drawn_and_listed_by_dimension() -> None:
    table = Page(two()).table("part of the examples")
    headings = [row[0] for row in table if len(row) == 1]
    assert headings == ["by length", "by label", "by language"]
    section = two()[two().index('id="slices"') : two().index('id="examples"')]
    assert section.count("体育新闻") == 3
    assert section.count('class="plot broad"') == 1


def test_tall_pictures_of_slices_are_split() -> None:
    from pipeline.comparison.plots_slices import slices_pages

    assert slices_pages(comparison(5)) == [["length"], ["label", "language"]]


def test_undefined_values_are_dashes() -> None:
    table = quick(bare()).table("metric")
    assert table[1] == ["f1_macro", "–", "–", "–", "–", "unknown"]


def test_an_interval_with_one_bound_missing_is_no_interval() -> None:
    from pipeline.comparison.report_words import interval_text

    assert interval_text(Estimate(0.5, 0.4, None), 3) == ""
    assert interval_text(Estimate(0.5, -0.00001, 0.6), 3) == "0.000 to 0.600"
