"""The other contenders of `benchmarks/sweep.py`, each in a process of its own.

    python benchmarks/sweep_rivals.py CONTENDER --trials N --seed S --dataset DIR OVERRIDE …

    processes  a fresh `python -m pipeline train OVERRIDES` for each trial, one after the other, all
               cores each, without pruning
    trainer    `transformers.Trainer.hyperparameter_search(backend="optuna")`, all cores

Hydra's basic launcher runs the jobs of a multirun one after the other, all in its own process, and
knows no pruning. Trials that must not share a process's state and memory get one each: from Hydra's
other launchers (joblib, submitit), from `dvc exp run --queue`, from a loop in a shell. That is what
`processes` does; points come from Optuna, asked and told.

`trainer` is tuned: bf16 where the processor has it; batches of texts of similar length, padded to
the longest of the batch, as many an epoch as ours; validation texts in order of their lengths;
nothing saved or reported; the fused optimizer, its default. Model, frozen layers, label smoothing,
weight decay and clipping are those of the configuration. Its objective is what it always is, the
last validation; what is printed is the best one, as the other contenders keep it. The pruner is the
one it has by default: Optuna's median pruner.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.sweep_common import METRIC, SETTINGS, TrialFigures, to_json, tpe
from pipeline.artifacts import Outputs
from pipeline.config.compose import config_hash
from pipeline.config.schema import Config
from pipeline.data.store import EncodedSplit
from pipeline.manifest import Manifest
from pipeline.stages.compose import compose_checked
from pipeline.sweep.definition.composition import overrides_of
from pipeline.sweep.study.space import suggest

if TYPE_CHECKING:
    from optuna import Study, Trial
    from transformers import Trainer

ROOT = Path(__file__).resolve().parent.parent
EVAL_BATCH = 32
"""Examples in a validation batch of the Trainer; of 8, 16, 32, 64 and 104 none was faster."""


def processes(options: argparse.Namespace) -> float:
    """Runs each trial as a command; returns the seconds that only the benchmark needs.

    Those are for laying the prepared dataset ready, which each trial would otherwise make, and for
    removing its weights afterwards.
    """
    study, aside = options.study, 0.0
    for _ in range(options.trials):
        trial = study.ask()
        overrides = [*options.overrides, *overrides_of(suggest(trial, SETTINGS.space))]
        begin = time.perf_counter()
        outputs = _lay_ready(overrides, options.dataset)
        aside += time.perf_counter() - begin
        command = [sys.executable, "-m", "pipeline", "train", *overrides]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(done.stderr)
        study.tell(trial, Manifest.read(outputs.model).validation[METRIC])
        begin = time.perf_counter()
        shutil.rmtree(outputs.root)
        aside += time.perf_counter() - begin
    return aside


def _lay_ready(overrides: Sequence[str], dataset: Path) -> Outputs:
    """Links the dataset to where the command will look for it."""
    config = compose_checked(overrides, ROOT)
    outputs = Outputs(ROOT / "runs" / f"{config.experiment}-{config_hash(config)[:10]}")
    outputs.root.mkdir(parents=True)
    outputs.dataset.symlink_to(dataset)
    return outputs


def trainer(options: argparse.Namespace) -> float:
    """Lets the Trainer search; returns 0: all of it counts."""
    config = compose_checked(options.overrides, ROOT)
    with tempfile.TemporaryDirectory() as folder:
        make_trainer(config, options.dataset, folder).hyperparameter_search(
            hp_space=_hp_space,
            compute_objective=lambda metrics: metrics[f"eval_{METRIC}"],
            n_trials=options.trials,
            direction="maximize",
            backend="optuna",
            sampler=options.study.sampler,
            storage=options.study._storage,
            study_name=options.study.study_name,
            load_if_exists=True,
        )
    return 0.0


def _hp_space(trial: Trial) -> dict[str, float]:
    point = suggest(trial, SETTINGS.space)
    return {
        "learning_rate": point["optimizer.lr"],
        "warmup_steps": point["scheduler.warmup_ratio"],  # below 1 it is a share of all steps
    }


def make_trainer(config: Config, dataset: Path, folder: str) -> Trainer:
    """The tuned Trainer of a configuration.

    Args:
        config: The configuration, of a text classification with AdamW and linear decay.
        dataset: The prepared dataset.
        folder: Where it may write.
    """
    import numpy as np
    from torch.utils.data import SequentialSampler
    from transformers import DataCollatorWithPadding, Trainer, TrainingArguments

    from pipeline.models.tokenizer import load_tokenizer
    from pipeline.stages.fine_tuning import Training
    from pipeline.training.hardware import resolve_precision

    outputs = Outputs(Path(folder), prepared=dataset)
    splits = {name: EncodedSplit(dataset / f"{name}.arrow") for name in ("train", "validation")}
    arguments = TrainingArguments(
        output_dir=folder,
        num_train_epochs=config.trainer.max_epochs,
        per_device_train_batch_size=batch_size(config, splits["train"]),
        per_device_eval_batch_size=EVAL_BATCH,
        warmup_steps=0.0,  # a float: the search casts its values to the type that stands here
        weight_decay=config.optimizer.weight_decay,
        max_grad_norm=config.trainer.gradient_clip_val or 0.0,
        label_smoothing_factor=config.task.options.get("label_smoothing", 0.0),
        bf16=resolve_precision("auto", "cpu") == "bf16",
        train_sampling_strategy="group_by_length",
        eval_strategy="epoch",
        save_strategy="no",
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
        use_cpu=True,
        dataloader_pin_memory=False,
        seed=config.seed,
    )

    def accuracy(predicted: Any) -> dict[str, float]:
        return {METRIC: float(np.mean(predicted.predictions.argmax(-1) == predicted.label_ids))}

    class InOrder(Trainer):
        """Validates rows in the order given: its own grouping mixes lengths in a small split."""

        def _get_eval_sampler(self, eval_dataset: Any) -> Any:
            return SequentialSampler(eval_dataset)

    return InOrder(
        model_init=lambda: Training(config, root=ROOT, outputs=outputs).model,
        args=arguments,
        data_collator=DataCollatorWithPadding(
            load_tokenizer(dataset / "tokenizer"),
            pad_to_multiple_of=config.trainer.pad_to_multiple_of,
        ),
        train_dataset=_rows(splits["train"]),
        eval_dataset=sorted(_rows(splits["validation"]), key=lambda row: len(row["input_ids"])),
        compute_metrics=accuracy,
    )


def batch_size(config: Config, train: EncodedSplit) -> int:
    """The examples a batch with which an epoch has as many batches as with the token budget."""
    from pipeline.data.batching import plan_batches

    plan = plan_batches(
        train.lengths,
        max_tokens=config.trainer.max_tokens_per_batch,
        max_examples=config.trainer.per_device_batch_size,
        pad_to_multiple_of=config.trainer.pad_to_multiple_of,
        shuffle=True,
    )
    return math.ceil(len(train) / len(plan))


def _rows(split: EncodedSplit) -> Any:
    columns = split.table.select(["input_ids", "labels"]).to_pylist()
    return [{**row, "attention_mask": [1] * len(row["input_ids"])} for row in columns]


def figures(study: Study) -> list[TrialFigures]:
    """What the trials of a study came to."""
    from optuna.trial import TrialState

    found = []
    for trial in study.get_trials(deepcopy=False):
        value = max([*trial.intermediate_values.values(), *(trial.values or ())])
        assert trial.datetime_start is not None
        assert trial.datetime_complete is not None
        found.append(
            TrialFigures(
                state=trial.state.name.lower(),
                value=value if trial.state == TrialState.COMPLETE else None,
                began=trial.datetime_start.timestamp(),
                ended=trial.datetime_complete.timestamp(),
            )
        )
    return found


def main() -> None:
    """Searches and prints what came of it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("contender", choices=["processes", "trainer"])
    parser.add_argument("--trials", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True, help="of the sampler")
    parser.add_argument("--dataset", type=Path, required=True, help="prepared")
    parser.add_argument("overrides", nargs="*", metavar="OVERRIDE")
    options = parser.parse_intermixed_args()

    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    options.study = optuna.create_study(
        study_name="benchmark",
        storage=optuna.storages.InMemoryStorage(),
        direction="maximize",
        sampler=tpe(options.seed),
    )
    aside = {"processes": processes, "trainer": trainer}[options.contender](options)
    print(json.dumps(to_json(figures(options.study), aside)))


if __name__ == "__main__":
    main()
