from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from pipeline.tracking import sender
from pipeline.tracking.run import RunLog
from pipeline.tracking.sync import sync
from tests.mlflow_server import mlflow_server
from tests.unit.tracking.misbehaving_proxy import MisbehavingProxy, Mode
from tests.unit.tracking.outages import (
    LONGEST_ENDING_SECONDS,
    Outage,
    ending_seconds,
    log_steps,
    logged,
    senders,
    wait_until,
)

pytestmark = pytest.mark.slow

Switch = Callable[[MisbehavingProxy], None]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real server."""
    folder = tmp_path_factory.mktemp("server")
    with mlflow_server(
        folder,
        *("--backend-store-uri", f"sqlite:///{folder}/server.db"),
        *("--artifacts-destination", str(folder / "artifacts")),
    ) as address:
        yield address


@pytest.fixture
def outage(server: str, tmp_path: Path) -> Iterator[Outage]:
    """A run whose server is behind a proxy that is up."""
    proxy = MisbehavingProxy(urlsplit(server).port or 0)
    proxy.up()
    yield Outage(tmp_path, proxy, server, f"key-{proxy.port}")
    proxy.down()


def down(proxy: MisbehavingProxy) -> None:
    proxy.down()


def error(proxy: MisbehavingProxy) -> None:
    proxy.mode = "error"


def slow(proxy: MisbehavingProxy) -> None:
    proxy.mode = "slow"


def well(proxy: MisbehavingProxy) -> None:
    proxy.mode = "pass"
    proxy.up()


def deliver(outage: Outage) -> None:
    """What a person does afterwards: `sync`, until nothing waits."""
    wait_until(lambda: not sync(outage.root).waiting, 120)
    wait_until(lambda: outage.run_ids() != [] and outage.status() == "FINISHED")


def arrived(outage: Outage, steps: range) -> None:
    wait_until(lambda: outage.stored() == logged(steps), 120)


def test_errors_from_the_start(outage: Outage, capsys: pytest.CaptureFixture[str]) -> None:
    error(outage.proxy)
    check_a_run_that_stores_nothing(outage, outage.start(), capsys)
    well(outage.proxy)
    deliver(outage)
    assert outage.stored() == outage.sent() == logged(range(2_000))


def test_a_server_that_is_slow_from_the_start(
    outage: Outage, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "_PATIENCE_SECONDS", 2.0)
    slow(outage.proxy)
    run = outage.start()
    wait_until(lambda: outage.proxy.requests.total() > 0, 120)
    check_a_run_that_stores_nothing(outage, run, capsys)
    well(outage.proxy)
    deliver(outage)
    assert outage.stored() == outage.sent() == logged(range(2_000))


def test_a_whole_backlog_goes_with_the_next_run(
    outage: Outage, capsys: pytest.CaptureFixture[str]
) -> None:
    down(outage.proxy)
    check_a_run_that_stores_nothing(outage, outage.start(), capsys)
    well(outage.proxy)
    after = Outage(outage.root, outage.proxy, outage.server, f"{outage.key}.next")
    run = after.start()
    log_steps(run, range(50))
    run.finish()
    arrived(after, range(50))
    arrived(outage, range(2_000))
    wait_until(lambda: outage.status() == after.status() == "FINISHED")
    assert outage.sent() == logged(range(2_000))


def check_a_run_that_stores_nothing(
    outage: Outage, run: RunLog, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run of 2,000 steps is not held up, ends in time and says what waits."""
    assert log_steps(run, range(2_000)) < 0.1
    assert ending_seconds(run) < LONGEST_ENDING_SECONDS
    said = capsys.readouterr().err
    assert "2,003 events wait for MLflow" in said
    assert "run `python -m pipeline sync`" in said
    assert "answer" in said
    assert outage.stored() == {}


def test_a_server_that_comes_up_late(outage: Outage) -> None:
    outage.proxy.down()
    run = outage.start()
    log_steps(run, range(500))
    time.sleep(1)
    outage.proxy.up()
    arrived(outage, range(500))
    log_steps(run, range(500, 1_000))
    run.finish()
    deliver(outage)
    assert outage.stored() == outage.sent() == logged(range(1_000))


def test_outages_in_the_middle(outage: Outage) -> None:
    run = outage.start()
    log_steps(run, range(300))
    arrived(outage, range(300))
    for switch, first in ((down, 300), (error, 600)):
        switch(outage.proxy)
        assert log_steps(run, range(first, first + 300)) < 0.1
        time.sleep(1)
        assert outage.stored() == logged(range(first))
        well(outage.proxy)
        arrived(outage, range(first + 300))
    log_steps(run, range(900, 1_200))
    run.finish()
    deliver(outage)
    assert outage.stored() == outage.sent() == logged(range(1_200))


@pytest.mark.parametrize("switch", [down, error, slow])
def test_an_outage_at_the_end(
    outage: Outage,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    switch: Switch,
) -> None:
    monkeypatch.setattr(sender, "_PATIENCE_SECONDS", 2.0)
    run = outage.start()
    log_steps(run, range(300))
    arrived(outage, range(300))
    switch(outage.proxy)
    log_steps(run, range(300, 600))
    assert ending_seconds(run) < LONGEST_ENDING_SECONDS
    said = capsys.readouterr().err
    assert "python -m pipeline sync" in said
    assert "the run's results are complete" in said
    well(outage.proxy)
    deliver(outage)
    assert outage.stored() == outage.sent() == logged(range(600))


@pytest.mark.parametrize("modes", [("lose_answer", "cut_answer"), ("cut_request",)])
def test_a_third_of_the_requests_is_lost_and_no_point_or_run_is_doubled(
    outage: Outage, modes: tuple[Mode, ...]
) -> None:
    luck = random.Random(4)
    lost = cycle(modes)
    outage.proxy.choose = lambda _number, _path: next(lost) if luck.random() < 1 / 3 else "pass"
    (outage.root / "report.bin").write_bytes(bytes(300_000))
    run = outage.start()
    run.log_params({"lr": 0.1})
    run.log_dataset("news", "d1", "training", source="file.csv")
    log_steps(run, range(1_000))
    run.log_artifact(outage.root / "report.bin", "reports")
    assert ending_seconds(run) < LONGEST_ENDING_SECONDS
    deliver(outage)
    assert len(outage.run_ids()) == 1
    assert outage.stored() == outage.sent() == logged(range(1_000))
    assert outage.artifacts("reports") == ["reports/report.bin"]
    if modes == ("cut_request",):
        assert outage.proxy.points == 2_000


def test_the_first_answer_to_each_kind_of_request_is_lost(outage: Outage) -> None:
    seen: set[str] = set()

    def first_of_each(_number: int, path: str) -> Mode:
        fresh = path not in seen
        seen.add(path)
        return "lose_answer" if fresh else "pass"

    outage.proxy.choose = first_of_each
    run = outage.start()
    run.log_dataset("news", "d1", "training", source="file.csv")
    log_steps(run, range(100))
    run.finish()
    deliver(outage)
    assert {path.rpartition("/")[2] for path in seen} >= {"create", "log-batch", "log-inputs"}
    assert len(outage.run_ids()) == 1
    assert outage.stored() == outage.sent() == logged(range(100))
    assert outage.proxy.points == 200


def test_an_upload_that_takes_long_goes_on_after_the_run(
    outage: Outage, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "_PATIENCE_SECONDS", 1.0)
    outage.proxy.delay = 6.0
    outage.proxy.choose = lambda _number, path: "slow" if path.endswith("/model.bin") else "pass"
    (outage.root / "model.bin").write_bytes(bytes(3_000_000))
    run = outage.start()
    log_steps(run, range(100))
    arrived(outage, range(100))
    run.log_artifact(outage.root / "model.bin", "model")
    assert ending_seconds(run) < 5
    assert "2 events and their files are still on their way" in capsys.readouterr().err
    wait_until(lambda: outage.status() == "FINISHED", 60)
    assert outage.artifacts("model") == ["model/model.bin"]
    assert outage.stored() == logged(range(100))
    wait_until(lambda: not senders(outage.root))
