"""Which models keep keys and values in their graphs: any that write the same with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
import transformers

from pipeline.tasks.base import ExportSpec
from pipeline.tasks.continuing_export import continuing_spec
from pipeline.tasks.encoder_decoder_export import encoder_decoder_spec, token_inputs
from pipeline.tasks.generation import Search

torch.set_num_threads(1)

SEARCH = Search(pad_token_id=0, eos_token_ids=(1,), start_token_ids=(0,))
AXES = {0: "batch", 1: "length"}
READS = ExportSpec(
    ("input_ids", "attention_mask"),
    ("logits",),
    {"input_ids": AXES, "attention_mask": AXES},
)
COMMON: dict[str, Any] = {"vocab_size": 40, "pad_token_id": 0, "eos_token_id": 1}
BART: dict[str, Any] = {
    **COMMON,
    "d_model": 16,
    "decoder_start_token_id": 0,
    **{f"{half}_layers": 2 for half in ("encoder", "decoder")},
    **{f"{half}_attention_heads": 2 for half in ("encoder", "decoder")},
    **{f"{half}_ffn_dim": 32 for half in ("encoder", "decoder")},
}
T5 = {**COMMON, "d_model": 16, "d_kv": 8, "num_heads": 2, "d_ff": 32, "num_layers": 2}
LLAMA: dict[str, Any] = {
    **COMMON,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 8,
}
GPT2: dict[str, Any] = {"vocab_size": 40, "n_embd": 16, "n_layer": 2, "n_head": 2}


def made(name: str, head: str, sizes: Mapping[str, Any]) -> Any:
    torch.manual_seed(0)
    config = getattr(transformers, f"{name}Config")(**sizes)
    return getattr(transformers, f"{name}{head}")(config).eval()


@pytest.mark.parametrize(
    ("name", "head", "sizes"),
    [
        ("Marian", "MTModel", BART),
        ("Bart", "ForConditionalGeneration", BART),
        ("MBart", "ForConditionalGeneration", BART),
        ("T5", "ForConditionalGeneration", T5),
    ],
)
def test_a_decoder_takes_keys_and_values_of_source_and_target(
    name: str, head: str, sizes: Mapping[str, Any]
) -> None:
    spec = encoder_decoder_spec(made(name, head, sizes), SEARCH, token_inputs())
    assert spec.before is not None
    crossed = tuple(f"cross.{layer}.{part}" for layer in (0, 1) for part in ("key", "value"))
    assert spec.before.outputs == crossed
    past = tuple(one.replace("cross", "past") for one in crossed)
    assert spec.inputs == ("decoder_input_ids", "attention_mask", *past, *crossed)
    assert spec.outputs == ("logits", *(one.replace("cross", "present") for one in crossed))
    assert spec.dynamic_axes["past.0.key"] == {0: "batch", 2: "past"}
    assert spec.dynamic_axes["cross.0.key"] == {0: "batch", 2: "source"}
    assert spec.otherwise is not None
    assert spec.otherwise.search == spec.search


@pytest.mark.parametrize(
    ("name", "head", "sizes"),
    [
        ("GPT2", "LMHeadModel", GPT2),
        ("Llama", "ForCausalLM", LLAMA),
        ("Qwen2", "ForCausalLM", LLAMA),
        ("Qwen3", "ForCausalLM", LLAMA),
    ],
)
def test_a_decoder_alone_takes_keys_and_values(
    name: str, head: str, sizes: Mapping[str, Any]
) -> None:
    spec = continuing_spec(made(name, head, sizes), SEARCH, READS)
    assert spec.inputs[:4] == ("input_ids", "attention_mask", "position_ids", "past_mask")
    assert "past.1.value" in spec.inputs
    assert "present.1.value" in spec.outputs
    assert spec.otherwise is not None
    assert spec.otherwise.inputs == READS.inputs


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("Mistral", {**LLAMA, "sliding_window": 3}),
        ("Mamba", {**COMMON, "hidden_size": 16, "num_hidden_layers": 2, "state_size": 4}),
    ],
)
def test_a_model_that_forgets_reads_all_tokens_each_time(
    name: str, sizes: Mapping[str, Any]
) -> None:
    spec = continuing_spec(made(name, "ForCausalLM", sizes), SEARCH, READS)
    assert spec.inputs == READS.inputs
    assert spec.otherwise is None
    assert spec.search is not None


def test_a_model_that_writes_otherwise_with_a_memory_goes_without() -> None:
    family: Any = transformers.GPT2LMHeadModel

    class Wrong(family):  # type: ignore[misc]
        def forward(
            self,
            input_ids: Any = None,
            attention_mask: Any = None,
            position_ids: Any = None,
            past_key_values: Any = None,
            use_cache: Any = None,
        ) -> Any:
            found = super().forward(
                input_ids=input_ids,
                attention_mask=attention_mask,
                position_ids=position_ids,
                past_key_values=past_key_values,
                use_cache=use_cache,
            )
            if past_key_values is not None:
                found.logits = found.logits + 1.0
            return found

    torch.manual_seed(0)
    model = Wrong(transformers.GPT2Config(**GPT2)).eval()
    assert continuing_spec(model, SEARCH, READS).otherwise is None
