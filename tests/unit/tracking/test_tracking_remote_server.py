from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from mlflow.tracking import MlflowClient

from pipeline.config.schema import TrackingConfig
from pipeline.tracking.run import open_run
from pipeline.tracking.status import check_store
from pipeline.tracking.store import connect
from pipeline.tracking.sync import sync
from tests.journals import no_senders
from tests.mlflow_server import mlflow_server
from tests.postgresql_server import PASSWORD, PostgresqlServer, postgresql_server
from tests.unit.tracking.outages import wait_until

pytestmark = pytest.mark.slow

SECRET = "planted-s3-secret"


@dataclass(frozen=True)
class ObjectStore:
    """An S3-compatible store.

    Attributes:
        endpoint: Its address.
        client: A boto3 client of it.
        variables: What a process needs to reach it.
    """

    endpoint: str
    client: Any
    variables: dict[str, str]

    def contents(self, bucket: str) -> dict[str, bytes]:
        """All objects of a bucket by key."""
        listed = self.client.list_objects_v2(Bucket=bucket).get("Contents", [])
        keys = [entry["Key"] for entry in listed]
        return {key: self.client.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}


@pytest.fixture(scope="module")
def postgresql() -> Iterator[PostgresqlServer]:
    with postgresql_server() as server:
        yield server


@pytest.fixture(scope="module")
def objects() -> Iterator[ObjectStore]:
    boto3 = pytest.importorskip("boto3", reason="boto3 is not installed")
    server_module = pytest.importorskip("moto.server", reason="moto is not installed")
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    endpoint = "http://{}:{}".format(*server.get_host_and_port())
    variables = {
        "AWS_ACCESS_KEY_ID": "tester",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
        "MLFLOW_S3_ENDPOINT_URL": endpoint,
    }
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="tester",
        aws_secret_access_key=SECRET,
    )
    yield ObjectStore(endpoint, client, variables)
    server.stop()


@contextmanager
def served(
    folder: Path, postgresql: PostgresqlServer, objects: ObjectStore, bucket: str, *, proxied: bool
) -> Iterator[str]:
    """A tracking server with PostgreSQL and a bucket behind it."""
    objects.client.create_bucket(Bucket=bucket)
    where = (
        ("--artifacts-destination", f"s3://{bucket}/runs")
        if proxied
        else ("--no-serve-artifacts", "--default-artifact-root", f"s3://{bucket}/runs")
    )
    database = postgresql.create(bucket).replace("postgresql:", "postgresql+psycopg2:")
    with mlflow_server(
        folder, "--backend-store-uri", database, *where, environment=objects.variables
    ) as address:
        yield address


def log_a_run(root: Path, uri: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A run with some of everything; returns its MLflow id."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    (root / "report.bin").write_bytes(b"\x00report" * 1_000)
    with open_run(
        TrackingConfig(),
        root=root,
        key="k1",
        experiment="text/news",
        run_name="one",
        tags={"a": "b"},
    ) as run:
        run.log_params({"optimizer": {"lr": 0.1}})
        for step in range(300):
            run.log_metrics({"train/loss": 1 / (step + 1)}, step)
        run.log_dataset("news", "d1", "training", source="news.csv")
        run.log_artifact(root / "report.bin", "reports")
        run.log_text("a remark", "notes/说明.txt")
    wait_until(lambda: not sync(root).waiting, 120)
    client = connect(uri, root)
    experiment = client.get_experiment_by_name("text/news")
    assert experiment is not None
    (found,) = client.search_runs([experiment.experiment_id])
    return str(found.info.run_id)


def check_run(client: MlflowClient, run_id: str) -> None:
    """All but the artifacts is there."""
    run = client.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params == {"optimizer.lr": "0.1"}
    assert run.data.tags["a"] == "b"
    history = client.get_metric_history(run_id, "train/loss")
    assert [(point.step, point.value) for point in history] == [
        (step, 1 / (step + 1)) for step in range(300)
    ]
    assert run.inputs is not None
    assert [each.dataset.digest for each in run.inputs.dataset_inputs] == ["d1"]


def test_a_server_with_postgresql_and_a_bucket_behind_it_takes_a_run(
    tmp_path: Path,
    postgresql: PostgresqlServer,
    objects: ObjectStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with served(tmp_path, postgresql, objects, "proxied", proxied=True) as uri:
        assert check_store(TrackingConfig(uri=uri), tmp_path).writable
        with no_senders():
            run_id = log_a_run(tmp_path, uri, monkeypatch)
        check_run(MlflowClient(uri), run_id)
        local = MlflowClient(uri).download_artifacts(run_id, "reports/report.bin", str(tmp_path))
        assert Path(local).read_bytes() == b"\x00report" * 1_000
    contents = objects.contents("proxied")
    assert {key.rpartition("/artifacts/")[2]: data for key, data in contents.items()} == {
        "reports/report.bin": b"\x00report" * 1_000,
        "notes/说明.txt": b"a remark",
    }
    log = (tmp_path / "mlflow_server.log").read_text(encoding="utf-8")
    assert SECRET not in log


def test_a_run_writes_its_artifacts_to_the_bucket_itself(
    tmp_path: Path,
    postgresql: PostgresqlServer,
    objects: ObjectStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in objects.variables.items():
        monkeypatch.setenv(name, value)
    with served(tmp_path, postgresql, objects, "direct", proxied=False) as uri:
        run_id = log_a_run(tmp_path, uri, monkeypatch)
        check_run(MlflowClient(uri), run_id)
        artifacts = MlflowClient(uri).get_run(run_id).info.artifact_uri
    assert urlsplit(artifacts).scheme == "s3"
    prefix = urlsplit(artifacts).path.strip("/")
    assert objects.contents("direct") == {
        f"{prefix}/reports/report.bin": b"\x00report" * 1_000,
        f"{prefix}/notes/说明.txt": b"a remark",
    }


def test_a_run_goes_to_postgresql_without_a_server(
    tmp_path: Path, postgresql: PostgresqlServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = postgresql.create("alone")
    run_id = log_a_run(tmp_path, uri, monkeypatch)
    check_run(connect(uri, tmp_path), run_id)
    for file in (tmp_path / ".cache").rglob("*"):
        assert not file.is_file() or PASSWORD.encode() not in file.read_bytes(), file
