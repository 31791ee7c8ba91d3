"""What a page shows of rankings: each query with its items in the predicted order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline.config.schema import EvaluationConfig
from pipeline.evaluation.cases.numbers import NumberCases
from pipeline.evaluation.cases.rankings import RankingCases
from pipeline.evaluation.cases.registry import renderer_of
from pipeline.evaluation.context import Context
from pipeline.evaluation.details import write_details
from pipeline.evaluation.measure import measure
from pipeline.evaluation.mistakes import mistakes_page
from pipeline.tasks.registry import load_task

TASK = load_task("text_pair_ranking", {})
# Each query's items, relevance and scores.
QUERIES = {
    "right": (("a", 1, 3.0), ("b", 0, 2.0)),
    "last": (("c <i>", 1, 1.0), ("d", 0, 3.0), ("e", 0, 2.0)),
    "nothing": (("f", 0, 2.0), ("g", 0, 1.0)),
    "graded": (("h", 1, 3.0), ("i", 2, 2.0), ("j", 0, 1.0)),
    "tied": (("k", 1, 1.0), ("l", 0, 1.0), ("m", 0, 0.5)),
}


def ranked(queries: dict[str, tuple[tuple[str, int, float], ...]]) -> tuple[pa.Table, Context]:
    """The table of a page; rows of a query are not neighbours."""
    lines = [(query, *item) for query, items in queries.items() for item in items]
    lines = [lines[row] for row in np.random.default_rng(0).permutation(len(lines))]
    texts, items, relevance, scores = zip(*lines, strict=True)
    table = pa.table(
        {
            "id": [f"n{number}" for number in range(len(lines))],
            "text": texts,
            "text_pair": items,
            "relevance": np.array(relevance, np.float64),
            "prediction": np.array(scores),
        }
    )
    return table, Context(TASK.columns, (), TASK.state(), TASK.units(table))


def test_queries_come_by_how_bad_their_order_is() -> None:
    table, context = ranked(QUERIES)
    assert renderer_of(context) is RankingCases
    cases = RankingCases(table, context)
    shown = cases.shown()
    lines = table.take(list(shown.rows)).to_pylist()
    assert [line["text"] for line in lines] == ["last", "tied", "graded"]
    assert "3 of 4 queries with a relevant item are not in the best order" in shown.summary
    assert "NDCG@10" in shown.summary
    assert "1 queries have no relevant item and are left out" in shown.summary


def test_an_item_says_whether_it_should_stand_elsewhere() -> None:
    table, context = ranked(QUERIES)
    cases = RankingCases(table, context)
    last, tied, graded = (
        cases.case(line, "") for line in table.take(list(cases.shown().rows)).to_pylist()
    )
    assert last.heading.startswith("first relevant item at place 3 ")
    assert last.value == "NDCG@10 0.500"
    body = last.body
    assert body.index(">last<") < body.index(">d<") < body.index(">e<") < body.index("c &lt;i&gt;")
    assert body.count(">last<") == 1, "the query stands above its items"
    assert body.count('<mark class="wrong">↓ relevance 0') == 2
    assert body.count('<mark class="missed">↑ relevance 1') == 1
    assert "width:100.0%" in body
    assert "width:50.0%" in body

    assert graded.heading.startswith("first relevant item at place 1 ")
    assert '<mark class="wrong">↓ relevance 1' in graded.body
    assert '<mark class="missed">↑ relevance 2' in graded.body
    assert '<mark class="">relevance 0' in graded.body

    assert tied.heading.startswith("first relevant item at place 1–2 ")
    assert '<mark class="right">✓ relevance 1' in tied.body


def test_of_long_lists_the_first_and_the_relevant_items_are_shown() -> None:
    items = tuple((f"item {n}", int(n in {3, 30}), 100.0 - n) for n in range(50))
    table, context = ranked({"long": items})
    cases = RankingCases(table, context)
    (row,) = cases.shown().rows
    body = cases.case(table.to_pylist()[row], "").body
    assert [n for n in range(50) if f">item {n}<" in body] == [*range(10), 30]
    assert "… 20 others …" in body
    assert "… 19 others …" in body


@pytest.mark.parametrize("query", ["text", "column"])
def test_the_page_of_a_history_shows_what_its_rows_share(query: str) -> None:
    table, _ = ranked({"one": QUERIES["last"]})
    table = table.set_column(1, "text", pa.array(["read x", "read x; y", "read x; y; z"]))
    table = table.append_column("query", pa.array(["user 7"] * 3))
    task = load_task("text_pair_ranking", {"query": query})
    context = Context(task.columns, (), task.state(), task.units(table))
    page = mistakes_page(table, context, title="t", most=5)
    assert page is not None
    if query == "text":
        assert "every query are in the best order" in page
    else:
        assert page.count("query: user 7") == 1
        assert "read x; y; z" in page


def test_numbers_that_are_measured_for_themselves_are_no_ranking() -> None:
    task = load_task("text_pair_regression", {})
    table, _ = ranked(QUERIES)
    assert renderer_of(Context(task.columns, units=task.units(table))) is NumberCases


def test_the_places_of_first_relevant_items_are_written_and_drawn(tmp_path: Path) -> None:
    table, context = ranked(QUERIES)
    rows, predictions = table.drop_columns(["prediction"]), table.select(["prediction"])
    measured = measure(TASK, predictions, rows, (), num_samples=100, confidence=0.95, seed=0)
    write_details(
        tmp_path,
        rows,
        predictions,
        measured,
        context,
        scores=TASK.example_scores(predictions, rows, ()),
        title="t",
        settings=EvaluationConfig(),
    )
    assert (tmp_path / "ranks.csv").read_text(encoding="utf-8").splitlines()[:2] == [
        "place,share,by_chance",
        f"1,0.625,{(1 / 2 + 1 / 3 + 2 / 3 + 1 / 3) / 4:.6f}",
    ]
    assert (tmp_path / "numbers.csv").read_text(encoding="utf-8") == "actual,predicted,error\n"
    assert {path.name for path in (tmp_path / "plots").iterdir()} == {"ranks.png", "scores.png"}
