from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.cli import main
from pipeline.config.schema import Config


@pytest.fixture(autouse=True)
def _in_the_repository(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository)


def test_compose_show_prints_a_configuration_and_writes_nothing(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import yaml

    written = repository / "outputs" / "config.yaml"
    before = written.read_bytes() if written.exists() else None
    assert (
        main(["compose", "--show", "model=bert_scratch", "method=full", "optimizer.lr=3e-4"]) == 0
    )
    shown = Config.model_validate_json(json.dumps(yaml.safe_load(capsys.readouterr().out)))
    assert shown.model.name == "bert_scratch"
    assert shown.optimizer.lr == 3e-4
    assert (written.read_bytes() if written.exists() else None) == before


def test_a_user_s_mistake_is_one_message_without_traceback(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["compose", "--show", "optimizer.lrr=1"]) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ")
    assert "optimizer.lrr" in message
    assert "did you mean" in message
    assert "Traceback" not in message


def test_debug_shows_where_an_error_came_from() -> None:
    with pytest.raises(Exception, match=r"optimizer\.lrr"):
        main(["compose", "--show", "optimizer.lrr=1", "--debug"])


def test_outside_a_project_the_message_says_where_to_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["compose"]) == 2
    assert "conf/config.yaml" in capsys.readouterr().err


def test_an_unknown_verb_exits_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["trian"])
    assert stopped.value.code == 2
    assert "train" in capsys.readouterr().err


def test_schema_prints_the_section_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "optimizer"]) == 0
    assert "lr" in json.loads(capsys.readouterr().out)["properties"]


def test_doctor_reports_on_this_machine(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    report = capsys.readouterr().out
    for subject in ("Python", "packages", "devices", "disk", "configuration", "data", "tracking"):
        assert subject in report


def test_doctor_says_what_stops_a_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "experiment=sports_news", "data.files.all.path=data/nowhere.csv"]) == 1
    assert "missing: data/nowhere.csv" in capsys.readouterr().out


def test_predict_without_a_model_names_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "config.yaml").write_text("{}", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert main(["predict", "a text"]) == 2
    assert "dvc repro" in capsys.readouterr().err


def test_sweep_alone_lists_the_sweeps(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("minilm_lr ") and "learning rate" in line for line in lines)


def test_an_unknown_sweep_is_told_with_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", "minilm_rl"]) == 2
    assert "did you mean 'minilm_lr'?" in capsys.readouterr().err


def test_an_action_on_sweeps_needs_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", "promote"]) == 2
    assert "needs the name of a sweep" in capsys.readouterr().err


@pytest.mark.parametrize("flags", [["--watch"], ["--trial", "0"], ["--as", "x"], ["--allow-dirty"]])
def test_a_flag_of_another_action_is_refused(
    flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sweep", "minilm_lr", *flags]) == 2
    assert f"{flags[0]} belongs to `sweep " in capsys.readouterr().err


def test_the_schema_of_sweeps_names_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "sweep"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert {"space", "sampler", "pruner", "n_trials"} <= set(schema["properties"])
