from __future__ import annotations

import ast
import sys
from importlib import metadata
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from pipeline.export.bundle import load_predictor
from pipeline.export.serving import _load_pyfunc
from pipeline.provenance import serving_requirements
from pipeline.tasks.registry import load_task
from pipeline.tasks.served import LOADER, served_schema, serving_code
from tests.source_imports import closure, modules
from tests.trained import write_stages

TEXTS = ["The  match was   won", "", "home team"]
OPTIONAL = {"httpx2", "nltk", "spacy", "onnxruntime"}
"""What a served model may import and does not need: errors of the hub, further segmenters, ONNX."""


@pytest.mark.parametrize("kind", ["text_classification", "token_classification"])
def test_it_gives_what_predict_gives_in_the_columns_of_its_schema(
    tmp_path: Path, kind: str
) -> None:
    outputs = write_stages(tmp_path, task_kind=kind)
    frame = pd.DataFrame({"text": TEXTS, "other": 1}, index=[5, 3, 9])
    found = _load_pyfunc(str(outputs.model)).predict(frame)
    expected = load_predictor(outputs.model, "torch").predict(TEXTS)
    assert found.to_dict("records") == expected
    assert found.index.tolist() == [5, 3, 9]

    task = load_task(kind, {})
    names = [column for column in expected[0] if column != "text"]
    decoded = pa.table({name: pa.array([row[name] for row in expected]) for name in names[-1:]})
    schema = served_schema(task, decoded.schema)
    assert schema.names == list(expected[0])


def test_spans_are_served_with_their_text() -> None:
    span = pa.struct([("start", pa.int32()), ("end", pa.int32())])
    task = load_task("token_classification", {})
    schema = served_schema(task, pa.schema({"entities": pa.list_(span), "n": pa.int64()}))
    names = [field.name for field in schema.field("entities").type.value_type]
    assert names == ["text", "start", "end"]
    assert schema.field("n").type == pa.int64()


def test_what_the_served_code_imports_is_required(repository: Path) -> None:
    known = modules(repository)
    run = closure(LOADER, known)
    for name in known:
        if name.startswith(("pipeline.tasks.", "pipeline.data.cleaning.", "pipeline.models.")):
            run |= closure(name, known)
    imported: set[str] = set()
    for path in run:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module.partition(".")[0])
    foreign = imported - sys.stdlib_module_names - {"pipeline"} - OPTIONAL
    required = {line.partition("==")[0] for line in serving_requirements()}
    owners = metadata.packages_distributions()
    missing = {
        name
        for name in foreign
        if not required & {o.lower().replace("_", "-") for o in owners[name]}
    }
    assert not missing
    assert "torch" in foreign


def test_all_that_the_served_code_imports_goes_with_the_model(repository: Path) -> None:
    known = modules(repository)
    run = closure(LOADER, known)
    for name in known:
        if name.startswith(("pipeline.tasks.", "pipeline.data.cleaning.")):
            run |= closure(name, known)
    sources = list(serving_code(load_task("text_classification", {})).values())
    left = [path for path in run if not any(s == path or s in path.parents for s in sources)]
    assert left == []
    assert repository / "pipeline" / "sweep" not in sources


def test_a_task_of_the_users_own_goes_with_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_words.py").write_text(
        "from pipeline.tasks.text_classification import TextClassification\n"
        "class Own(TextClassification):\n    name = 'own'\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    code = serving_code(load_task("own_words:Own", {}))
    assert code.pop("own_words.py") == tmp_path / "own_words.py"
    assert code == serving_code(load_task("text_classification", {}))
    monkeypatch.delitem(sys.modules, "own_words")
