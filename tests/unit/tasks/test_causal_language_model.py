from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pytest
import torch

from pipeline.errors import ConfigError, DataError
from pipeline.models.tokenizer import load_tokenizer
from pipeline.models.vocabulary import train_tokenizer
from pipeline.tasks.base import IGNORE_INDEX, Task
from pipeline.tasks.processor import Processor
from pipeline.tasks.registry import load_task
from pipeline.tasks.rendering import CHAT_TEMPLATE
from pipeline.tasks.tensors import to_tensors
from tests.checkpoints import MakeCheckpoint
from tests.task_contract import HandComputed, Source, TaskContract

torch.set_num_threads(1)

CHAT = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Hello, 你好!"},
    {"role": "user", "content": "Bye"},
    {"role": "assistant", "content": "Bye."},
]
LLAMA_2 = (
    "{{ bos_token }}{% for m in messages %}"
    "{% if m['role'] == 'user' %}[INST] {{ m['content'] }} [/INST]"
    "{% elif m['role'] == 'assistant' %} {{ m['content'] }} {{ eos_token }}"
    "{% else %}{{ raise_exception('Only user and assistant roles are supported!') }}{% endif %}"
    "{% endfor %}"
)
FORGETFUL = (
    "{% for m in messages %}{% if m['role'] == 'user' %}Q{{ m['content'] }}"
    "{% elif loop.last %}A<think></think>{{ m['content'] }}{{ eos_token }}"
    "{% else %}A{{ m['content'] }}{{ eos_token }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}A{% endif %}"
)


class _Contract(TaskContract):
    kind = "causal_language_model"
    families: ClassVar[tuple[str, ...]] = ("gpt2",)
    perfect = 1.0
    nearly = 0.1

    def hand_computed(self) -> HandComputed:
        rows = self.rows().slice(0, 3)
        predictions = pa.table(
            {
                "prediction": ["a", "b", "c"],
                "log_likelihood": [np.log(0.5), 2 * np.log(0.25), 0.0],
                "num_right": [1, 1, 0],
                "num_tokens": [1, 2, 0],
            }
        )
        mean = (np.log(2) + 2 * np.log(4)) / 3
        expected = {"perplexity": float(np.exp(mean)), "token_accuracy": 2 / 3}
        return HandComputed(predictions, rows, (), expected, (1.0, 0.5, 1.0))


class TestTexts(_Contract):
    def rows(self) -> pa.Table:
        return pa.table(
            {
                "id": ["1", "2", "3", "4"],
                "text": [
                    "home team won the match",
                    "last 球赛",
                    "the team",
                    "in the last minute by",
                ],
            }
        )


class TestPrompts(_Contract):
    options: ClassVar[dict[str, Any]] = {"form": "prompt", "generation": {"max_new_tokens": 6}}

    def rows(self) -> pa.Table:
        return pa.table(
            {
                "id": ["1", "2", "3", "4"],
                "prompt": ["a", "bb", "ccc", "d"],
                "target": ["team", "home team won", "in", "last minute by"],
            }
        )


@pytest.fixture
def processor() -> Processor:
    texts = ["Be brief. Hi Hello, 你好! Bye", "system user assistant <|im_start|>"]
    return Processor(
        train_tokenizer(
            texts, kind="byte_bpe", vocab_size=300, lowercase=False, special_tokens=True
        )
    )


def task_with(processor: Processor, **options: Any) -> Task:
    task = load_task("causal_language_model", options)
    task.attach(processor)
    return task


def chats(*conversations: Any) -> pa.Table:
    return pa.table({"id": [str(i) for i in range(len(conversations))], "messages": conversations})


def encode(task: Task, processor: Processor, rows: pa.Table, max_length: int = 400) -> pa.Table:
    return task.encode(rows, processor, (), max_length=max_length)


def learned(processor: Processor, made: pa.Table, row: int = 0) -> list[str]:
    """The runs of tokens that are learned, as text."""
    ids, labels = (made[name].to_pylist()[row] for name in ("input_ids", "labels"))
    runs: list[list[int]] = [[]]
    for token, label in zip(ids, labels, strict=True):
        if label == IGNORE_INDEX:
            runs.append([])
        else:
            assert label == token
            runs[-1].append(label)
    return [str(processor.tokenizer.decode(run)) for run in runs if run]


def written(processor: Processor, ids: list[int]) -> str:
    return str(processor.tokenizer.decode(ids, clean_up_tokenization_spaces=False))


def test_only_answers_of_a_chat_are_learned_each_with_its_end(processor: Processor) -> None:
    task = task_with(processor, form="messages")
    made = encode(task, processor, chats(CHAT))
    assert learned(processor, made) == ["Hello, 你好![SEP]", "Bye.[SEP]"]
    ids, length = made["input_ids"].to_pylist()[0], made["prompt_length"].to_pylist()[0]
    assert written(processor, ids[:length]).endswith(
        "<|im_start|>user\nBye[SEP]\n<|im_start|>assistant\n"
    )
    assert written(processor, ids).startswith(
        "<|im_start|>system\nBe brief.[SEP]\n<|im_start|>user"
    )


def test_the_last_answer_alone_is_learned_where_asked(processor: Processor) -> None:
    task = task_with(processor, form="messages", answers="last")
    assert learned(processor, encode(task, processor, chats(CHAT))) == ["Bye.[SEP]"]


def test_a_template_of_its_own_is_used(processor: Processor) -> None:
    processor.tokenizer.chat_template = LLAMA_2
    task = task_with(processor, form="messages")
    made = encode(task, processor, chats(CHAT[1:]))
    assert learned(processor, made) == [" Hello, 你好! [SEP]", " Bye. [SEP]"]
    with pytest.raises(DataError, match=r"turns system.*Only user and assistant roles"):
        encode(task, processor, chats(CHAT))


def test_a_template_that_rewrites_earlier_turns_is_refused_for_all_answers(
    processor: Processor,
) -> None:
    processor.tokenizer.chat_template = FORGETFUL
    with pytest.raises(ConfigError, match="writes a turn otherwise") as caught:
        encode(task_with(processor, form="messages"), processor, chats(CHAT[1:]))
    assert "task.options.answers to last" in str(caught.value)
    task = task_with(processor, form="messages", answers="last")
    assert learned(processor, encode(task, processor, chats(CHAT[1:]))) == [
        "<think></think>Bye.[SEP]"
    ]


def test_a_chat_that_nobody_answered_is_to_be_answered(processor: Processor) -> None:
    task = task_with(processor, form="messages")
    made = encode(task, processor, chats(CHAT[:4]))
    ids, length = made["input_ids"].to_pylist()[0], made["prompt_length"].to_pylist()[0]
    assert length == len(ids)
    assert written(processor, ids).endswith("Bye[SEP]\n<|im_start|>assistant\n")
    assert learned(processor, made) == ["Hello, 你好![SEP]"]


def test_a_tokenizer_without_a_template_gets_one_that_is_kept(
    processor: Processor, tmp_path: Path
) -> None:
    task_with(processor, form="messages")
    processor.tokenizer.save_pretrained(tmp_path)
    assert load_tokenizer(tmp_path).chat_template == CHAT_TEMPLATE


def test_all_of_a_text_is_learned_but_its_beginning(processor: Processor) -> None:
    made = encode(task_with(processor), processor, pa.table({"text": ["Hi Bye", "Hello, 你好!"]}))
    assert [learned(processor, made, row) for row in (0, 1)] == [
        ["Hi Bye[SEP]"],
        ["Hello, 你好![SEP]"],
    ]
    assert written(processor, made["input_ids"].to_pylist()[1]) == "[CLS]Hello, 你好![SEP]"
    first = made["prompt_length"].to_pylist()[0]
    assert written(processor, made["input_ids"].to_pylist()[0][:first]) == "[CLS]Hi Bye"


def test_only_the_target_of_a_prompt_is_learned(processor: Processor) -> None:
    task = task_with(processor, form="prompt", separator=" => ")
    rows = pa.table({"prompt": ["Hi"], "target": ["Bye."]})
    made = encode(task, processor, rows)
    assert written(processor, made["input_ids"].to_pylist()[0]) == "[CLS]Hi => Bye.[SEP]"
    assert learned(processor, made) == [" Bye.[SEP]"]
    alone = encode(task, processor, rows.drop_columns(["target"]))
    assert written(processor, alone["input_ids"].to_pylist()[0]) == "[CLS]Hi =>"


def test_what_is_cut_off_is_counted_and_not_learned(processor: Processor) -> None:
    task = task_with(processor, form="messages")
    whole, cut = (encode(task, processor, chats(CHAT), size) for size in (400, 30))
    assert cut["num_tokens"].to_pylist() == whole["num_tokens"].to_pylist() > [30]
    assert cut["length"].to_pylist() == [30]
    assert cut["labels"].to_pylist()[0] == whole["labels"].to_pylist()[0][:30]


def test_no_logits_leave_the_device_and_both_ways_to_decode_agree(
    make_checkpoint: MakeCheckpoint,
) -> None:
    processor = Processor(load_tokenizer(make_checkpoint("gpt2")))
    task = task_with(processor)
    made = encode(task, processor, pa.table({"text": ["home team", "won", "the match was"]}))
    batch = to_tensors(task.collate(made, pad_token_id=256, pad_to_multiple_of=8))
    logits = torch.randn(3, 16, 300, generator=torch.Generator().manual_seed(0))
    reduced = task.predict(None, batch, {"logits": logits})  # type: ignore[arg-type]
    assert all(tensor.ndim == 1 for tensor in reduced.values())
    arrays = {name: tensor.numpy() for name, tensor in reduced.items()}
    one = task.decode(arrays, made, ())
    other = task.decode({"logits": logits.double().numpy()}, made, ())
    for name in ("prediction", "num_right", "num_tokens"):
        assert one[name].equals(other[name])
    np.testing.assert_allclose(one["log_likelihood"], other["log_likelihood"], rtol=1e-5)

    following = batch["labels"][:, 1:]
    likely = torch.log_softmax(logits[:, :-1], -1).gather(2, following.clamp(min=0)[..., None])
    expected = (likely[..., 0] * (following != IGNORE_INDEX)).sum(1)
    np.testing.assert_allclose(one["log_likelihood"], expected, rtol=1e-5)


@pytest.mark.parametrize("form", ["prompt", "messages"])
def test_what_was_learned_is_written_and_compared_with_references(
    make_checkpoint: MakeCheckpoint, form: str
) -> None:
    directory = make_checkpoint("gpt2", n_positions=128, initializer_range=0.1)
    processor = Processor(load_tokenizer(directory))
    options = {"form": form, "generation": {"max_new_tokens": 12}}
    task = task_with(processor, **options)
    assert task.generates
    rows = pa.table({"prompt": ["a?", "bcd?"], "target": ["yes", "no, no"]})
    if form == "messages":
        turns = [
            [{"role": "user", "content": p}, {"role": "assistant", "content": t}]
            for p, t in zip(*(column.to_pylist() for column in rows.columns), strict=True)
        ]
        rows = pa.table({"messages": turns})
    made = encode(task, processor, rows, 128)
    for name in made.column_names:
        rows = rows.append_column(name, made[name])
    torch.manual_seed(0)
    model: Any = task.build_model(Source(directory, processor.pad_token_id), ())
    batch = to_tensors(task.collate(rows, pad_token_id=256, pad_to_multiple_of=8))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(80):
        optimizer.zero_grad()
        task.loss(task.forward(model, batch), batch).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    with torch.no_grad():
        found = task.predict(model.eval(), batch, task.forward(model, batch))
    predictions = task.decode({k: v.numpy() for k, v in found.items()}, rows, ())
    assert predictions["prediction"].to_pylist() == ["yes", "no, no"]
    measured = task.metrics(predictions, rows, ())
    assert {spec.name for spec in task.metric_specs} == measured.keys()
    assert measured["exact_match"][0] == 1.0
    assert measured["chrf"][0] == pytest.approx(100.0)
    wrong = predictions.set_column(0, "prediction", pa.array(["yes", "maybe"]))
    assert task.metrics(wrong, rows, ())["exact_match"][0] == 0.5
