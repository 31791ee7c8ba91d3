from __future__ import annotations

import csv
import json
import shutil
import zipfile
from pathlib import Path

import pytest
import torch
import yaml

from pipeline.artifacts import Outputs
from pipeline.config.compose import compose
from pipeline.stages import evaluate, export, prepare, train
from tests.sounds import sound_file, spelled
from tests.stage_projects import SMALL_OVERRIDES, predicted

torch.set_num_threads(1)

WORDS = ("ab", "ba", "cab", "bac")


@pytest.fixture
def project(tmp_path: Path, repository: Path) -> Path:
    """Recordings of four words in a .zip, two of them bad, and a data option for them."""
    root = tmp_path / "project"
    shutil.copytree(repository / "conf", root / "conf")
    (root / "params.yaml").write_text("experiment: sports_news\n", encoding="utf-8")
    (root / "data").mkdir()
    with (
        zipfile.ZipFile(root / "data" / "words.zip", "w") as archive,
        (root / "data" / "words.csv").open("w", newline="", encoding="utf-8") as listed,
    ):
        lines = csv.writer(listed)
        lines.writerow(["file", "said"])
        for number in range(60):
            word = WORDS[number % 4]
            content = sound_file(spelled(word, 8_000, 0.1, seed=number), 8_000)
            if number in {8, 9}:
                content = content[:500]
            archive.writestr(f"w/{number}.wav", content)
            lines.writerow([f"w/{number}.wav", word])
    option = {
        "files": {"all": {"path": "data/words.csv"}},
        "media": {"path": "data/words.zip"},
        "columns": {"audio": "file", "transcript": "said", "label": "said"},
        "split": {"method": "random", "validation": 0.15, "test": 0.15},
    }
    (root / "conf" / "data" / "words.yaml").write_text(yaml.safe_dump(option), encoding="utf-8")
    return root


SETTINGS = (
    "data=words",
    *SMALL_OVERRIDES,
    "trainer.max_tokens_per_batch=400",
    "optimizer.lr=5e-3",
    "model.audio.num_mels=24",
)


@pytest.mark.parametrize(
    ("experiment", "more", "metric"),
    [
        (
            "fsdd",
            ("trainer.max_epochs=3", "model.architecture={hidden_size: 32, conv_channels: 8}"),
            "wer",
        ),
        (
            "arabic_commands",
            ("trainer.max_epochs=2", "model.architecture.conv_channels=8"),
            "accuracy",
        ),
        (
            "fsdd_whisper",
            (
                "trainer.max_epochs=1",
                "trainer.max_tokens_per_batch=1600",
                "model.architecture={hidden_size: 32, num_layers: 1, intermediate_size: 64}",
            ),
            "wer",
        ),
    ],
)
def test_recordings_go_through_every_stage(
    project: Path,
    experiment: str,
    more: tuple[str, ...],
    metric: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = compose([f"experiment={experiment}", *SETTINGS, *more], project)
    outputs = Outputs(project / "outputs")
    prepared = prepare.run(config, root=project, outputs=outputs)
    assert sum(prepared.info.rows.values()) == 58
    unreadable = next(f for f in prepared.report.findings if f.check == "unreadable_share")
    assert "cut off" in str(unreadable.examples[0]["reason"])
    train.run(config, root=project, outputs=outputs)
    said = capsys.readouterr().err
    assert " frames; " in said
    assert " frames/s" in said
    assert "tokens" not in said
    evaluate.run(config, root=project, outputs=outputs)
    assert metric in (outputs.evaluation / "headline.json").read_text(encoding="utf-8")
    export.run(config, root=project, outputs=outputs)
    report = json.loads((outputs.export / "report.json").read_text(encoding="utf-8"))
    assert '"prediction_agreement": 1.0' in json.dumps(report)

    path = project / "one.wav"
    path.write_bytes(sound_file(spelled("cab", 44_100, 0.1), 44_100, depth="PCM_24"))
    (found,) = predicted(outputs.export, str(path), backend="onnx")
    assert set(found) >= {"audio", "prediction"}
