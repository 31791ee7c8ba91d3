"""Pictures in folders of their classes through every stage, tracking included."""

from __future__ import annotations

import base64
import shutil
import zipfile
from pathlib import Path

import pandas as pd
import pytest
import torch

from pipeline.artifacts import read_json
from pipeline.config.schema import Config
from pipeline.export.serving import _load_pyfunc
from pipeline.tasks.registry import load_task
from pipeline.tasks.served import served_inputs
from tests.pictures import COLOURS, picture, write_pictures
from tests.stage_projects import empty_project, predicted, run_stages, tiny_config

torch.set_num_threads(1)


def config() -> Config:
    return tiny_config(
        "image_classification",
        {
            "name": "colours",
            "files": {"all": {"path": "data/colours.zip"}},
            "format": {"kind": "folder"},
        },
        {
            "name": "resnet",
            "architecture": {"kind": "resnet", "conv_channels": 4, "num_layers": 2},
            "tokenizer": {"kind": "none"},
            "image": {"height": 16, "width": 16},
        },
        options={"top_k": 2},
        optimizer={"lr": 1e-2},
        trainer={"max_epochs": 4, "max_tokens_per_batch": None, "per_device_batch_size": 12},
    )


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with all that the stages made of 60 pictures, one of them cut short."""
    root = empty_project(tmp_path_factory.mktemp("project"))
    pictures = write_pictures(root / "pictures", 20)
    broken = pictures / "red" / "007.png"
    broken.write_bytes(broken.read_bytes()[:80])
    with zipfile.ZipFile(root / "data" / "colours.zip", "w") as archive:
        for path in sorted(pictures.rglob("*.png")):
            archive.write(path, f"colours/{path.relative_to(pictures)}")
    shutil.rmtree(pictures)
    run_stages(config(), root)
    return root


def test_the_report_names_the_picture_that_is_cut_short(project: Path) -> None:
    report = read_json(project / "outputs" / "dataset" / "quality.json")
    (found,) = [one for one in report["findings"] if one["check"] == "unreadable_share"]
    assert (found["severity"], found["value"]) == ("warning", 1 / 60)
    assert found["examples"][0]["file"] == "colours/red/007.png"
    assert "damaged" in found["examples"][0]["reason"]
    checks = {one["check"] for one in report["findings"]}
    assert {"tiny_image_share", "long_image_share", "exact_duplicate_share"} <= checks
    assert checks.isdisjoint({"truncated_share", "unknown_token_share", "near_duplicate_share"})
    page = (project / "outputs" / "dataset" / "quality.html").read_text()
    assert "Tokens per row" not in page


def test_colours_are_learned_and_measured_beside_simple_models(project: Path) -> None:
    metrics = read_json(project / "outputs" / "evaluation" / "metrics.json")
    assert metrics["test"]["accuracy"]["value"] > 0.8
    assert "top_2_accuracy" in metrics["test"]
    assert metrics["baselines"].keys() == {"majority", "pixels"}
    assert metrics["baselines"]["pixels"]["accuracy"]["value"] > 0.9
    report = read_json(project / "outputs" / "export" / "report.json")
    assert report["models"]["onnx"]["parity"]["max_abs_difference"] < 1e-3
    assert [timing["length"] for timing in report["timings"]] == [1]
    page = (project / "outputs" / "evaluation" / "mistakes.html").read_text()
    assert ("data:image/png;base64," in page) == ("No mistake" not in page)


def test_the_card_speaks_of_pictures(project: Path) -> None:
    card = (project / "outputs" / "export" / "README.md").read_text()
    assert "pipeline_tag: image-classification" in card
    assert "Image classification of pictures that are like those of `colours`." in card
    assert "tokens of" not in card
    assert 'predict --model path/to/this/directory "picture.jpg"' in card


@pytest.mark.parametrize("model", ["model", "export"])
def test_pictures_are_predicted_by_path_and_bad_ones_get_a_reason(
    project: Path, tmp_path: Path, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for colour in COLOURS:
        (tmp_path / f"{colour}.jpg").write_bytes(picture(colour, 7, (40, 30), "JPEG"))
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    paths = [str(tmp_path / f"{name}.jpg") for name in (*COLOURS, "bad", "missing")]
    found = predicted(project / "outputs" / model, *paths, "")
    assert [row["image"] for row in found] == [*paths, ""]
    assert [row["prediction"] for row in found[:3]] == list(COLOURS)
    assert "no picture of a known format" in found[3]["error"]
    assert "does not exist" in found[4]["error"]
    assert found[5]["prediction"] is None
    assert "error" not in found[5]
    assert "bad.jpg" in capsys.readouterr().err or found[3]["scores"] is None


def test_a_served_model_takes_contents_and_opens_no_file(project: Path) -> None:
    model = _load_pyfunc(str(project / "outputs" / "model"))
    content = picture("green", 3)
    values = [content, base64.b64encode(content).decode(), b"no picture"]
    found = model.predict(pd.DataFrame({"image": pd.Series(values, dtype=object)}))
    assert found["prediction"].tolist() == ["green", "green", None]
    assert found["image"].str.startswith("sha256:").all()
    with pytest.raises(Exception, match="base64"):
        model.predict(pd.DataFrame({"image": ["/etc/passwd.png"]}))
    schema = served_inputs(load_task("image_classification", {}))
    assert [(field.name, str(field.type)) for field in schema] == [("image", "binary")]
