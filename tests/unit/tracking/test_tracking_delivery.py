from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow.data
import pytest
from mlflow.tracking import MlflowClient

from pipeline.tracking import store
from pipeline.tracking.delivery import Delivery
from pipeline.tracking.journal import JournalWriter
from pipeline.tracking.state import pending_events

Query = Callable[[str], list[tuple[Any, ...]]]
Points = Callable[[], Counter[tuple[str, int]]]


class Killed(BaseException):
    """Stands for the process's death."""


class FaultyClient(MlflowClient):
    """Counts the points it sends, and fails after sending where a test wants it."""

    sent = 0
    faults: list[BaseException | None]

    def log_batch(self, *args: Any, **kwargs: Any) -> Any:
        result = super().log_batch(*args, **kwargs)
        type(self).sent += len(args[1])
        fault = self.faults.pop(0) if self.faults else None
        if fault is not None:
            raise fault
        return result


@pytest.fixture
def journal(root: Path) -> JournalWriter:
    writer = JournalWriter(root / ".cache" / "tracking" / "key")
    writer.append("open", store="", experiment="text/news", run_name="first", tags={"a": "b"})
    return writer


def delivery(journal: JournalWriter, root: Path, **kwargs: Any) -> Delivery:
    return Delivery(journal.directory, store.resolve_uri(None, root), root, **kwargs)


def client_of(root: Path) -> MlflowClient:
    return store.connect(store.resolve_uri(None, root), root)


def only_run(root: Path) -> Any:
    client = client_of(root)
    experiments = [e.experiment_id for e in client.search_experiments() if e.name != "Default"]
    (run,) = client.search_runs(experiments)
    return client.get_run(run.info.run_id)


def log_steps(journal: JournalWriter, steps: range) -> None:
    for step in steps:
        journal.append_metrics({"loss": 1.0 / (step + 1), "lr": step * 0.1}, step, replace=False)


def test_everything_arrives_in_batches(root: Path, journal: JournalWriter, points: Points) -> None:
    journal.append("params", params={"optimizer.lr": "0.1", "model.name": "minilm"})
    log_steps(journal, range(1000))
    journal.append("tags", tags={"stage": "train"})
    journal.append("finish", status="FINISHED")
    assert delivery(journal, root).drain() == 1004
    assert points() == Counter({(name, step): 1 for name in ("loss", "lr") for step in range(1000)})
    run = only_run(root)
    assert run.info.run_name == "first"
    assert run.info.status == "FINISHED"
    assert run.data.params == {"optimizer.lr": "0.1", "model.name": "minilm"}
    assert run.data.tags["stage"] == "train"
    assert run.data.tags["a"] == "b"
    assert run.data.metrics["loss"] == pytest.approx(0.001)


@pytest.mark.parametrize("fault", [Killed(), ConnectionError("reset")])
def test_a_batch_sent_but_not_recorded_is_not_sent_again(
    root: Path, journal: JournalWriter, points: Points, fault: BaseException
) -> None:
    class Client(FaultyClient):
        faults = [None, None, fault]  # noqa: RUF012

    def connect(uri: str, _: Path) -> MlflowClient:
        return Client(uri, uri)

    log_steps(journal, range(900))
    first = delivery(journal, root, connect=connect)
    with pytest.raises(type(fault)):
        first.drain()
    assert 0 < len(points()) < 1800
    log_steps(journal, range(900, 1000))
    next_one = first if isinstance(fault, Exception) else delivery(journal, root, connect=connect)
    next_one.drain()
    assert points() == Counter({(name, step): 1 for name in ("loss", "lr") for step in range(1000)})
    assert Client.sent == 2000
    assert pending_events(journal.directory, next_one.state.store) == 0


def test_a_second_session_continues_the_run_and_sets_its_status(
    root: Path, journal: JournalWriter
) -> None:
    journal.append("finish", status="FAILED")
    delivery(journal, root).drain()
    assert only_run(root).info.status == "FAILED"
    journal.append("open", store="", experiment="text/news", run_name="other", tags={})
    delivery(journal, root).drain()
    assert only_run(root).info.status == "RUNNING"
    journal.append("finish", status="FINISHED")
    delivery(journal, root).drain()
    assert only_run(root).info.status == "FINISHED"
    assert only_run(root).info.run_name == "first"


def test_a_changed_parameter_becomes_a_tag(root: Path, journal: JournalWriter) -> None:
    journal.append("params", params={"seed": "0", "lr": "1"})
    delivery(journal, root).drain()
    journal.append("params", params={"seed": "7", "lr": "1", "new": "x"})
    delivery(journal, root).drain()
    run = only_run(root)
    assert run.data.params == {"seed": "0", "lr": "1", "new": "x"}
    assert run.data.tags["changed.seed"] == "7"


def test_what_the_store_refuses_does_not_hold_up_the_rest(
    root: Path, journal: JournalWriter, points: Points
) -> None:
    journal.append("params", params={"fine": "1", "bad(name)": "x"})
    log_steps(journal, range(3))
    sender = delivery(journal, root)
    sender.drain()
    assert only_run(root).data.params == {"fine": "1"}
    assert set(points().values()) == {1}
    assert len(points()) == 6
    assert sender.state.refused == 1
    assert sender.state.refusal is not None


def test_a_store_that_lost_the_run_gets_it_whole(
    root: Path, journal: JournalWriter, points: Points
) -> None:
    log_steps(journal, range(5))
    delivery(journal, root).drain()
    client_of(root).delete_run(only_run(root).info.run_id)
    log_steps(journal, range(5, 7))
    delivery(journal, root).drain()
    assert len(only_run(root).data.metrics) == 2
    history = client_of(root).get_metric_history(only_run(root).info.run_id, "loss")
    assert [point.step for point in history] == list(range(7))


def test_files_and_data_sets_arrive(root: Path, journal: JournalWriter) -> None:
    name = journal.spool_text("config.yaml", "seed: 1\n")
    journal.append("artifact", file=name, directory="run")
    columns = [{"name": "text", "type": "string", "required": True}]
    dataset = {"name": "news", "digest": "d1", "uri": "x", "columns": columns}
    for _ in range(2):
        journal.append("dataset", dataset=dataset, context="training")
    delivery(journal, root).drain()
    run = only_run(root)
    (file,) = client_of(root).list_artifacts(run.info.run_id, "run")
    assert file.path == "run/config.yaml"
    assert (Path(run.info.artifact_uri) / file.path).read_text() == "seed: 1\n"
    assert Path(run.info.artifact_uri).is_relative_to(root / "mlruns")
    assert list((journal.directory / "artifacts").iterdir()) == []
    (linked,) = run.inputs.dataset_inputs
    assert linked.dataset.digest == "d1"
    assert linked.tags[0].value == "training"
    source: Any = mlflow.data.get_source(linked.dataset)
    assert (source.uri, linked.dataset.source_type) == ("x", "local")
    assert json.loads(linked.dataset.schema) == {"mlflow_colspec": columns}
