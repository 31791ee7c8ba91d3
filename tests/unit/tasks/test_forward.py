from __future__ import annotations

from typing import Any

import pytest
import torch

from pipeline.tasks.forward import known_inputs
from tests.checkpoints import MakeCheckpoint

NAMES = ("input_ids", "attention_mask", "token_type_ids")


@pytest.mark.parametrize(
    ("kind", "known"),
    [("bert", NAMES), ("ernie", NAMES), ("gpt2", NAMES), ("distilbert", NAMES[:2])],
)
def test_a_model_takes_what_its_forward_pass_names(
    make_checkpoint: MakeCheckpoint, kind: str, known: tuple[str, ...]
) -> None:
    from transformers import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_pretrained(make_checkpoint(kind))
    assert known_inputs(model, NAMES) == known
    assert known_inputs(torch.compile(model), NAMES) == known


def test_a_function_takes_its_parameters_and_one_without_names_takes_all() -> None:
    def named(input_ids: Any, *, token_type_ids: Any = None, **_: Any) -> None: ...

    def nameless(*args: Any, **kwargs: Any) -> None: ...

    assert known_inputs(named, NAMES) == ("input_ids", "token_type_ids")
    assert known_inputs(nameless, NAMES) == NAMES
