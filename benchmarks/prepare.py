"""How fast texts are encoded, and in how much memory, beside `datasets.map` and the tokenizer.

    python benchmarks/prepare.py [--rows 100000] [--rounds 5] [--max-length 128] [--no-memory]

Real AG News texts (the shipped corpus where `../shared/data` is not there), each varied, are
encoded with the MiniLM tokenizer from one memory-mapped Arrow file to another: by the pipeline, by
`datasets.map` (batched, as its documentation shows; and with `input_ids` alone), and by the Rust
tokenizer alone, which writes nothing and so bounds what is possible. The ways take turns within a
round; the figures are medians over the rounds.

Memory is measured in a process for each way and size, at --rows and ten times as many: the peak of
what the process owns (anonymous memory), and the peak of all that is resident, pages of mapped
files included, which the system takes back when it needs them.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pipeline.config.compose import compose
from pipeline.data.encoding import encode_split
from pipeline.data.staging import mapped, stage
from pipeline.models.tokenizer import make_tokenizer
from pipeline.tasks.processor import Processor
from pipeline.tasks.registry import load_task

ROOT = Path(__file__).resolve().parent.parent
AG_NEWS = ROOT.parent / "shared" / "data" / "en_cls_agnews" / "train.csv.gz"
PART = 10_000
"""Rows written together when the input is made."""


def real_rows() -> tuple[list[str], list[str]]:
    """Texts and labels of a real data set."""
    if AG_NEWS.is_file():
        with gzip.open(AG_NEWS) as stream:
            table = pacsv.read_csv(stream)
        return table["text"].to_pylist(), table["label"].to_pylist()
    path = ROOT / "data" / "newsroom" / "newsroom.jsonl"
    items = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [item["en"] for item in items], [item["topic"] for item in items]


def write_input(folder: Path, rows: int) -> None:
    """Writes varied rows as an Arrow file for us and as a stream, which `datasets` maps."""
    texts, labels = real_rows()

    def parts() -> Iterator[pa.Table]:
        for start in range(0, rows, PART):
            numbers = range(start, min(start + PART, rows))
            yield pa.table(
                {
                    "id": [str(i) for i in numbers],
                    "text": [f"{texts[i % len(texts)]} {i // len(texts)}" for i in numbers],
                    "label": [labels[i % len(labels)] for i in numbers],
                }
            )

    table = stage(parts(), folder / "rows.arrow")
    with pa.ipc.new_stream(str(folder / "rows.stream"), table.schema) as writer:
        writer.write_table(table)


class Ways:
    """The ways to encode the rows of a folder.

    Args:
        folder: Where the input lies and the output goes.
        max_length: Most tokens a row keeps.
    """

    def __init__(self, folder: Path, max_length: int) -> None:
        self._folder = folder
        self._max_length = max_length
        model = compose(["model=minilm", f"model.max_length={max_length}"], ROOT).model
        self._tokenizers = {
            name: make_tokenizer(model, root=ROOT, train_texts=()) for name in ("ours", "theirs")
        }
        self._task = load_task("text_classification", {})

    @property
    def all(self) -> dict[str, Callable[[], None]]:
        """Each way by its name."""
        return {
            "pipeline": self.pipeline,
            "datasets.map": lambda: self.datasets_map(lean=False),
            "datasets.map, input_ids alone": lambda: self.datasets_map(lean=True),
            "tokenizer alone": self.tokenizer_alone,
        }

    def pipeline(self) -> None:
        """What prepare does: ids, counts and labels of each row, hashed and written."""
        rows = mapped(self._folder / "rows.arrow")
        names = tuple(sorted(rows["label"].unique().to_pylist()))
        encode_split(
            rows,
            self._folder / "ours.arrow",
            task=self._task,
            processor=Processor(self._tokenizers["ours"]),
            label_names=names,
            max_length=self._max_length,
        )

    def datasets_map(self, *, lean: bool) -> None:
        """What the documentation of `datasets` shows, and the same without masks."""
        import datasets

        datasets.disable_progress_bars()
        tokenizer = self._tokenizers["theirs"]
        options: dict[str, Any] = {"truncation": True, "max_length": self._max_length}
        if lean:
            options |= {"return_attention_mask": False, "return_token_type_ids": False}
        datasets.Dataset.from_file(str(self._folder / "rows.stream")).map(
            lambda batch: tokenizer(batch["text"], **options),
            batched=True,
            load_from_cache_file=False,
            cache_file_name=str(self._folder / "theirs.arrow"),
        )

    def tokenizer_alone(self) -> None:
        """The Rust tokenizer, a thousand texts at a time; results are thrown away."""
        backend = self._tokenizers["theirs"].backend_tokenizer
        backend.enable_truncation(self._max_length)
        texts = mapped(self._folder / "rows.arrow")["text"]
        for start in range(0, len(texts), 1_000):
            backend.encode_batch_fast(texts.slice(start, 1_000).to_pylist())


def rates(rows: int, rounds: int, max_length: int) -> dict[str, list[float]]:
    """Rows a second of each way in each round."""
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_input(folder, rows)
        ways = Ways(folder, max_length).all
        for number in range(rounds + 1):
            order = list(ways)[number % len(ways) :] + list(ways)[: number % len(ways)]
            for way in order:
                begin = time.perf_counter()
                ways[way]()
                if number:  # the first round warms up
                    found.setdefault(way, []).append(rows / (time.perf_counter() - begin))
    return {way: found[way] for way in ways}


def memory_of(way: str, rows: int, max_length: int) -> dict[str, float]:
    """Peaks in MiB of a process that encodes in one way: before it begins, owned and resident."""
    with tempfile.TemporaryDirectory() as name:
        write_input(Path(name), rows)
        child = subprocess.run(
            [sys.executable, __file__, "--measure", way, name, "--max-length", str(max_length)],
            check=True,
            capture_output=True,
            text=True,
        )
    peaks: dict[str, float] = json.loads(child.stdout.splitlines()[-1])
    return peaks


def measure(way: str, folder: Path, max_length: int) -> None:
    """Runs one way and prints the peaks of this process's memory."""
    chosen = Ways(folder, max_length).all[way]
    before = _memory()
    peaks = dict(before)
    done = Event()

    def watch() -> None:
        while not done.wait(0.01):
            for kind, value in _memory().items():
                peaks[kind] = max(peaks[kind], value)

    watcher = Thread(target=watch, daemon=True)
    watcher.start()
    chosen()
    done.set()
    watcher.join()
    print(json.dumps({"before": before["owned"], **peaks}))


def _memory() -> dict[str, float]:
    """This process's memory in MiB: `owned` is anonymous, `resident` has mapped files too."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    fields = dict(line.split(":", 1) for line in status.splitlines())
    return {
        kind: int(fields[field].split()[0]) / 1024
        for kind, field in (("owned", "RssAnon"), ("resident", "VmRSS"))
    }


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=100_000, help="rows to encode")
    parser.add_argument("--rounds", type=int, default=5, help="rounds timed, after one of warm-up")
    parser.add_argument("--max-length", type=int, default=128, help="most tokens a row keeps")
    parser.add_argument("--no-memory", action="store_true", help="measure the time alone")
    parser.add_argument("--measure", nargs=2, metavar=("WAY", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    if options.measure:
        measure(options.measure[0], Path(options.measure[1]), options.max_length)
        return

    source = "AG News" if AG_NEWS.is_file() else "newsroom"
    print(
        f"{options.rows:,} rows of {source}, at most {options.max_length} tokens, "
        f"{os.cpu_count()} cores, {options.rounds} rounds\n"
    )
    found = rates(options.rows, options.rounds, options.max_length)
    print(f"{'':<32}{'rows/s':>10}{'pipeline is':>14}{'least':>8}{'most':>8}")
    for way, values in found.items():
        ratios = [ours / theirs for ours, theirs in zip(found["pipeline"], values, strict=True)]
        shown = [f"{value:.2f} x" for value in (statistics.median(ratios), *_ends(ratios))]
        print(
            f"{way:<32}{statistics.median(values):>10,.0f}{shown[0]:>14}{shown[1]:>8}{shown[2]:>8}"
        )
    if options.no_memory:
        return
    print(f"\n{'peak memory, MiB':<32}{'rows':>10}{'before':>10}{'owned':>10}{'resident':>10}")
    for way in ("pipeline", "datasets.map"):
        for rows in (options.rows, 10 * options.rows):
            peaks = memory_of(way, rows, options.max_length)
            numbers = "".join(f"{peaks[kind]:>10,.0f}" for kind in ("before", "owned", "resident"))
            print(f"{way:<32}{rows:>10,}{numbers}")


def _ends(values: list[float]) -> tuple[float, float]:
    return min(values), max(values)


if __name__ == "__main__":
    main()
