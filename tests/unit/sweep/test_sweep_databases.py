from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.errors import EnvironmentProblem, UserError
from pipeline.sweep.study.databases import storage_problems
from pipeline.sweep.study.storage import load, load_or_create, open_storage
from tests.mlflow_server import free_port
from tests.postgresql_server import PASSWORD, PostgresqlServer, postgresql_server
from tests.unit.sweep.storage_processes import grpc_proxy


@pytest.fixture(scope="module")
def postgresql() -> Iterator[PostgresqlServer]:
    with postgresql_server() as server:
        yield server


@pytest.mark.parametrize(
    ("url", "message", "remedy"),
    [
        ("sqlite:///studies.db", "SQLite fails when several processes", "journal"),
        ("postgres-sql://host/db", "no known kind", "did you mean 'postgresql://'"),
        ("postgresql://user@host:port/db", "not a database URL", "kind://user:password"),
        ("grpc://", "names no proxy", "grpc://host:13000"),
        ("grpc://host:many", "names no proxy", "grpc://host:13000"),
    ],
)
def test_a_storage_that_cannot_be_meant_is_refused(
    tmp_path: Path, url: str, message: str, remedy: str
) -> None:
    with pytest.raises(UserError, match=message) as error:
        open_storage(url, tmp_path / "study.journal")
    assert error.value.remedy is not None
    assert remedy in error.value.remedy
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["postgresql", "postgresql+psycopg2", "mysql+pymysql", "mysql"])
def test_a_database_that_does_not_answer_is_told_without_the_password(
    tmp_path: Path, kind: str
) -> None:
    pytest.importorskip("psycopg2" if kind.startswith("postgresql") else "pymysql")
    url = f"{kind}://user:{PASSWORD}@127.0.0.1:{free_port()}/studies"
    with pytest.raises(EnvironmentProblem, match="refused") as error:
        open_storage(url, tmp_path / "study.journal")
    assert PASSWORD not in str(error.value)
    assert "start the server" in (error.value.remedy or "")


def test_a_wrong_password_is_told_without_it(postgresql: PostgresqlServer, tmp_path: Path) -> None:
    url = postgresql.create("locked").replace(PASSWORD, "wrong-password-{0}")
    with pytest.raises(EnvironmentProblem, match="password authentication failed") as error:
        open_storage(url, tmp_path)
    assert "wrong-password" not in str(error.value)
    assert "mend user and password" in (error.value.remedy or "")


def test_a_missing_database_is_told(postgresql: PostgresqlServer, tmp_path: Path) -> None:
    url = postgresql.create("there").replace("/there", "/missing")
    with pytest.raises(EnvironmentProblem, match='database "missing" does not exist') as error:
        open_storage(url, tmp_path)
    assert "create the database" in (error.value.remedy or "")


def test_braces_in_a_url_are_taken_as_they_are(
    postgresql: PostgresqlServer, tmp_path: Path
) -> None:
    url = postgresql.create("odd{name}")
    load_or_create(open_storage(url, tmp_path), "braces", ["minimize"])
    assert load(open_storage(url, tmp_path), "braces").trials == []


def test_a_driver_that_is_not_installed_names_the_extra(tmp_path: Path) -> None:
    url = f"mysql+mysqldb://user:{PASSWORD}@127.0.0.1/studies"
    with pytest.raises(EnvironmentProblem, match="not installed") as error:
        open_storage(url, tmp_path)
    assert error.value.remedy == "pip install 'finetune-pipeline[mysql]'"
    assert PASSWORD not in str(error.value)


def test_a_proxy_that_does_not_answer_says_how_to_start_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("grpc", reason="grpcio is not installed")
    monkeypatch.setattr("pipeline.sweep.study.databases._PROXY_SECONDS", 0.2)
    with pytest.raises(EnvironmentProblem, match="no Optuna proxy answers") as error:
        open_storage(f"grpc://127.0.0.1:{(port := free_port())}", tmp_path)
    assert f"port={port}" in (error.value.remedy or "")
    assert "run_grpc_proxy_server" in (error.value.remedy or "")


def test_a_database_that_goes_away_is_told_without_the_password(tmp_path: Path) -> None:
    with postgresql_server() as server:
        url = server.create("short")
        study = load_or_create(open_storage(url, tmp_path), "short", ["minimize"])
    with pytest.raises(EnvironmentProblem, match="refused") as error, storage_problems(url):
        study.get_trials()
    assert PASSWORD not in str(error.value)
    assert f"tester:***@127.0.0.1:{server.port}" in str(error.value)


def test_a_proxy_that_goes_away_is_told(tmp_path: Path) -> None:
    with grpc_proxy(tmp_path) as url:
        study = load_or_create(open_storage(url, tmp_path), "short", ["minimize"])
    with pytest.raises(EnvironmentProblem, match="failed"), storage_problems(url):
        study.ask()
