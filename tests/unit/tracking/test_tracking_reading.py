from __future__ import annotations

import time
from pathlib import Path

import pytest

from pipeline.config.schema import TrackingConfig
from pipeline.errors import EnvironmentProblem, UserError
from pipeline.tracking.journal import JournalWriter, journal_directory
from pipeline.tracking.log import RunLog
from pipeline.tracking.marking import set_tags
from pipeline.tracking.reading import DatasetLink, RunReader, VersionLink
from pipeline.tracking.store import connect
from tests.mlflow_server import mlflow_server

TRACKING = TrackingConfig()


def start(
    root: Path,
    key: str,
    *,
    experiment: str = "text/news",
    name: str | None = None,
    role: str | None = "model",
    parent: str | None = None,
    store: str | None = None,
) -> RunLog:
    """A run whose journal waits: the reader delivers it, without a sender process.

    It begins in a later millisecond than the one before, so that one of them is the newer.
    """
    time.sleep(0.002)
    journal = JournalWriter(journal_directory(root, key))
    journal.append(
        "open",
        store=store or f"sqlite:///{root}/mlflow.db",
        experiment=experiment,
        run_name=name or f"name-{key}",
        parent=parent,
        tags={} if role is None else {"role": role},
    )
    return RunLog(key, journal)


@pytest.fixture
def reader(root: Path) -> RunReader:
    return RunReader(TRACKING, root)


def names(reader: RunReader, experiment: str | None = None, **options: object) -> list[str]:
    return [record.name for record in reader.latest(experiment, **options)]  # type: ignore[arg-type]


def test_a_record_holds_what_was_logged(root: Path, reader: RunReader) -> None:
    with start(root, "a", role="pipeline"), start(root, "a-model", parent="a") as log:
        log.log_params({"optimizer": {"lr": 0.5}})
        log.log_metrics({"loss": 2.0}, 1)
        log.log_metrics({"loss": 1.0}, 2)
        log.log_dataset("news/train", "abc", "training", source="data")
    record = reader.find("a-model")
    assert (record.name, record.key, record.role) == ("name-a-model", "a-model", "model")
    assert (record.experiment, record.status) == ("text/news", "FINISHED")
    assert record.params == {"optimizer.lr": "0.5"}
    assert record.metrics == {"loss": 1.0}
    assert record.datasets == (DatasetLink("news/train", "abc", "training"),)
    assert record.parent_id == reader.find("a").run_id
    assert record.ended is not None
    assert record.started <= record.ended <= record.started + 60


def test_the_history_of_a_metric_is_in_the_order_of_its_steps(
    root: Path, reader: RunReader
) -> None:
    with start(root, "a") as log:
        log.log_metrics({"loss": 0.25}, 20)
        log.log_metrics({"loss": 0.5}, 3)
    points = reader.history(reader.find("a").run_id, "loss")
    assert [(step, value) for step, value, _ in points] == [(3, 0.5), (20, 0.25)]
    assert reader.history(reader.find("a").run_id, "never logged") == []


def test_a_run_is_found_by_id_beginning_key_and_name(root: Path, reader: RunReader) -> None:
    for key in ("a", "b"):
        with start(root, key):
            pass
    run_id = reader.find("a").run_id
    for word in (run_id, run_id[:12], "a", "name-a"):
        assert reader.find(word).run_id == run_id
    assert reader.get(run_id).key == "a"


@pytest.mark.parametrize("word", ["nothing", "0" * 32, "abc", "", "it's", "%", "____"])
def test_a_run_that_is_not_there_names_the_list(root: Path, reader: RunReader, word: str) -> None:
    with start(root, "a"):
        pass
    with pytest.raises(UserError, match="python -m pipeline runs"):
        reader.find(word)
    with pytest.raises(UserError, match="has no run"):
        reader.get(word)


def test_a_name_that_several_runs_have_lists_them(root: Path, reader: RunReader) -> None:
    for key in ("a", "b"):
        with start(root, key, name="same"):
            pass
    with pytest.raises(UserError, match="may be any of 2 runs") as caught:
        reader.find("same")
    assert all(reader.find(key).run_id in caught.value.message for key in ("a", "b"))


def test_a_deleted_run_says_how_to_bring_it_back(root: Path, reader: RunReader) -> None:
    with start(root, "a"):
        pass
    run_id = reader.find("a").run_id
    connect(f"sqlite:///{root}/mlflow.db", root).delete_run(run_id)
    with pytest.raises(UserError, match=f"mlflow runs restore --run-id {run_id}"):
        reader.find(run_id)
    assert names(reader) == []


def test_the_latest_runs_are_chosen_by_experiment_and_role(root: Path, reader: RunReader) -> None:
    with start(root, "a", role="pipeline"):
        pass
    with start(root, "b"):
        pass
    with start(root, "c", experiment="text/mail", role="trial"):
        pass
    assert names(reader) == ["name-c", "name-b", "name-a"]
    assert names(reader, limit=2) == ["name-c", "name-b"]
    assert names(reader, "text/news") == ["name-b", "name-a"]
    assert names(reader, "text/news", roles=("pipeline",)) == ["name-a"]
    assert names(reader, roles=("pipeline", "trial")) == ["name-c", "name-a"]
    assert names(reader, "no such experiment") == []


def test_runs_without_a_role_are_asked_for_by_none(root: Path, reader: RunReader) -> None:
    with start(root, "a"):
        pass
    with start(root, "b", role=None):
        pass
    assert names(reader, roles=("",)) == ["name-b"]
    assert names(reader, roles=("", "model")) == ["name-b", "name-a"]


def test_the_versions_made_of_a_run_have_their_aliases(root: Path, reader: RunReader) -> None:
    for key in ("a", "b"):
        with start(root, key) as log:
            log.log_text("x", "model/weights")
    client = connect(f"sqlite:///{root}/mlflow.db", root)
    client.create_registered_model("news")
    for key in ("a", "b", "a"):
        run_id = reader.find(key).run_id
        client.create_model_version("news", f"runs:/{run_id}/model", run_id)
    client.set_registered_model_alias("news", "champion", "1")
    assert reader.versions(reader.find("a").run_id) == [
        VersionLink("news", 1, ("champion",)),
        VersionLink("news", 3, ()),
    ]
    assert reader.versions("0" * 32) == []


def test_children_are_those_of_one_run(root: Path, reader: RunReader) -> None:
    for key in ("a", "b"):
        with start(root, key), start(root, f"{key}-1", parent=key):
            pass
    assert [child.key for child in reader.children(reader.find("a").run_id)] == ["a-1"]


def test_artifacts_are_fetched_as_files_and_directories(
    root: Path, reader: RunReader, tmp_path: Path
) -> None:
    into = tmp_path / "into"
    into.mkdir()
    with start(root, "a") as log:
        log.log_text("x: 1\n", "config.yaml")
        log.log_text("{}\n", "evaluation/metrics.json")
    run_id = reader.find("a").run_id
    assert reader.artifact(run_id, "config.yaml", into) == into / "config.yaml"
    assert (into / "config.yaml").read_text() == "x: 1\n"
    assert reader.artifact(run_id, "evaluation", into) == into / "evaluation"
    assert (into / "evaluation" / "metrics.json").read_text() == "{}\n"
    assert reader.artifacts(run_id) == ["config.yaml", "evaluation/"]
    for missing in ("nothing", "evaluation/nothing", "no/where"):
        assert reader.artifact(run_id, missing, into) is None


def test_what_waits_in_a_journal_is_read_too_and_nothing_is_said(
    root: Path, reader: RunReader, capsys: pytest.CaptureFixture[str]
) -> None:
    with start(root, "a"):
        pass
    assert reader.find("a").status == "FINISHED"
    assert capsys.readouterr() == ("", "")


def test_a_page_is_that_of_the_user_interface(root: Path, reader: RunReader) -> None:
    with start(root, "a"):
        pass
    record = reader.find("a")
    page = f"#/experiments/{record.experiment_id}/runs/{record.run_id}"
    assert reader.page(record) == f"http://127.0.0.1:5000/{page}"
    assert reader.ui_command == "mlflow ui"
    server = RunReader(TrackingConfig(uri="https://tracking.example:443/"), root)
    assert server.page(record) == f"https://tracking.example:443/{page}"
    assert server.ui_command is None


def test_tags_are_set_on_a_run_that_ended(root: Path, reader: RunReader) -> None:
    with start(root, "a"):
        pass
    run_id = reader.find("a").run_id
    set_tags(TRACKING, root, run_id, {"verdict": "equal", "note": "é" * 9_000})
    tags = reader.get(run_id).tags
    assert (tags["verdict"], tags["note"]) == ("equal", "é" * 8_000)


def test_a_server_is_read_like_a_database(root: Path, tmp_path: Path) -> None:
    database = ("--backend-store-uri", f"sqlite:///{root}/mlflow.db")
    artifacts = ("--artifacts-destination", str(tmp_path / "served"))
    with mlflow_server(root, *database, *artifacts) as address:
        with start(root, "a", store=address) as log:
            log.log_text("{}\n", "evaluation/metrics.json")
        reader = RunReader(TrackingConfig(uri=address), root)
        record = reader.find("a")
        assert reader.find(record.run_id[:8]) == record == reader.latest("text/news")[0]
        assert reader.children(record.run_id) == []
        fetched = reader.artifact(record.run_id, "evaluation", tmp_path)
        assert fetched == tmp_path / "evaluation"
        assert (fetched / "metrics.json").read_text() == "{}\n"
        assert reader.artifact(record.run_id, "evaluation/nothing", tmp_path) is None
        assert reader.artifact(record.run_id, "no/where", tmp_path) is None
        with pytest.raises(UserError, match="has no run"):
            reader.get("0" * 32)


def test_a_store_that_does_not_answer_is_said_in_words(root: Path) -> None:
    with pytest.raises(EnvironmentProblem, match="the server does not answer"):
        RunReader(TrackingConfig(uri="http://127.0.0.1:9"), root).latest()


def test_a_damaged_store_is_said_in_words(root: Path) -> None:
    (root / "mlflow.db").write_bytes(b"no database at all" * 1000)
    with pytest.raises(EnvironmentProblem, match="the database is damaged"):
        RunReader(TRACKING, root).find("a")


def test_a_store_that_no_run_has_made_is_not_made_by_reading(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no tracked runs yet"):
        RunReader(TRACKING, tmp_path).latest()
    assert list(tmp_path.iterdir()) == []


def test_without_tracking_there_is_nothing_to_read(root: Path) -> None:
    with pytest.raises(UserError, match=r"tracking is off.*\n.*tracking\.enabled"):
        RunReader(TrackingConfig(enabled=False), root)
