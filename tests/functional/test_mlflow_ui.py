from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from tests.browser import Browser, browser
from tests.functional.project import Project
from tests.mlflow_server import mlflow_server

pytestmark = pytest.mark.functional

SCREENSHOTS = os.environ.get("SCREENSHOTS", "")
"""A directory for pictures of each page; none are taken without it."""


@dataclass(frozen=True)
class Ui:
    """The MLflow UI on runs that the pipeline made, in a browser."""

    address: str
    window: Browser
    models: tuple[Run, ...]
    parent: Run

    @property
    def experiment(self) -> str:
        return f"{self.address}/#/experiments/{self.parent.info.experiment_id}"

    def picture(self, name: str) -> None:
        if SCREENSHOTS:
            self.window.screenshot(Path(SCREENSHOTS) / f"{name}.png")


@pytest.fixture(scope="module")
def ui(_finished: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ui]:
    """Two executions of the pipeline, the second with another learning rate, and its export."""
    with browser() as window:
        project = _finished.copy(tmp_path_factory.mktemp("ui") / "project")
        project.call("evaluate", "optimizer.lr=3e-4")
        store = f"sqlite:///{project.root / 'mlflow.db'}"
        client = MlflowClient(store)
        experiment = client.get_experiment_by_name("text_classification/newsroom_sports")
        assert experiment is not None
        runs = client.search_runs([experiment.experiment_id], order_by=["attributes.start_time"])
        models = tuple(run for run in runs if run.data.tags["role"] == "model")
        parents = [run for run in runs if run.data.tags["role"] == "pipeline"]
        assert len(models) == len(parents) == 2
        project.call("register", models[0].info.run_id)
        with mlflow_server(project.root, "--backend-store-uri", store) as address:
            yield Ui(address, window, models, parents[0])


def test_the_run_table_shows_executions_models_and_data(ui: Ui) -> None:
    names = [run.info.run_name for run in (*ui.models, ui.parent)]
    ui.window.open(f"{ui.experiment}/runs", str(ui.parent.info.run_name))
    ui.window.click_each('.ag-row button[data-component-id*="runnamecellrenderer"]')
    shown = ui.window.wait_for(*names, "newsroom_sports/train")
    assert len({run.info.run_name for run in ui.models}) == 2
    assert "4 matching runs" in shown
    ui.picture("mlflow_runs")


def test_the_compare_page_shows_what_differs_and_the_metrics_of_both(ui: Ui) -> None:
    ids = quote(json.dumps([run.info.run_id for run in ui.models]))
    number = quote(json.dumps([ui.parent.info.experiment_id]))
    page = f"{ui.address}/#/compare-runs?runs={ids}&experiments={number}"
    ui.window.open(page, "Comparing 2 Runs", "Parameters")
    ui.picture("mlflow_compare")
    shown = ui.window.scroll_for("optimizer.lr", "test/accuracy", "val/accuracy", "train/loss")
    for run in ui.models:
        assert run.data.params["optimizer.lr"] in shown


def test_the_charts_show_results_of_executions_and_curves_of_models(ui: Ui) -> None:
    page = f"{ui.experiment}/runs?compareRunsMode=CHART"
    ui.window.open(page, str(ui.parent.info.run_name))
    ui.window.write("Search metric charts", "test/accuracy|stage/train_seconds")
    ui.window.scroll_for("test/accuracy", "stage/train_seconds")
    ui.picture("mlflow_charts")
    run = ui.models[0].info.run_id
    ui.window.open(f"{ui.experiment}/runs/{run}/model-metrics", "Add chart")
    ui.window.write("Search metric charts", "grad_norm|tokens_per_second|val/f1_macro")
    ui.window.scroll_for("grad_norm", "tokens_per_second", "f1_macro")
    ui.picture("mlflow_curves")


def test_a_model_s_run_has_a_readable_description_its_data_and_its_model(ui: Ui) -> None:
    run = ui.models[0]
    shown = ui.window.open(
        f"{ui.experiment}/runs/{run.info.run_id}",
        "Description",
        "newsroom_sports/test",
        "Registered models",
    )
    assert f"{run.data.metrics['test/accuracy']:.4f}" in shown
    assert ui.parent.info.run_name in shown
    ui.picture("mlflow_run")
    page = f"{ui.experiment}/runs/{run.info.run_id}/artifacts"
    ui.window.open(page, "evaluation", "config.yaml", "environment", "dataset", "export")


def test_an_execution_s_run_lists_the_model_s_run(ui: Ui) -> None:
    page = f"{ui.experiment}/runs/{ui.parent.info.run_id}"
    ui.window.open(page, "Child runs", ui.models[0].info.run_name, "stage/train_seconds")
    ui.picture("mlflow_execution")


def test_the_models_view_shows_logged_models_with_their_metrics(ui: Ui) -> None:
    shown = ui.window.open(f"{ui.experiment}/models", "Ready", ui.models[0].info.run_name)
    assert "newsroom_sports" in shown
    ui.picture("mlflow_models")
    outputs = ui.models[0].outputs
    assert outputs is not None
    (output,) = outputs.model_outputs
    shown = ui.window.open(
        f"{ui.experiment}/models/{output.model_id}", "test/accuracy", "Source run"
    )
    assert str(ui.models[0].data.metrics["test/accuracy"])[:6] in shown
    ui.picture("mlflow_model")


def test_the_registry_shows_the_candidate(ui: Ui) -> None:
    (model,) = MlflowClient(ui.address).search_registered_models()
    shown = ui.window.open(f"{ui.address}/#/models/{model.name}", "Version 1", "candidate")
    assert model.name in shown
    ui.picture("mlflow_registry")
