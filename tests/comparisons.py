"""Comparisons of several shapes, as the command hands them to a report."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from itertools import pairwise

from pipeline.comparison.result import (
    Comparison,
    Cost,
    Curve,
    Difference,
    Disagreement,
    Estimate,
    Example,
    Group,
    Member,
    Setting,
    Slice,
)

NAMES = (
    "bert_base full lr=5e-5",
    "roberta_base full lr=2e-5",
    "chinese_roberta 层冻结",
    "deberta_v3 lora r=16 alpha=32 dropout=0.05",
    "lstm scratch",
)
METRICS = (
    "f1_macro",
    "accuracy",
    "f1_weighted",
    "mcc",
    "roc_auc",
    "expected_calibration_error",
    "log_loss",
)
LOWER = {"log_loss", "expected_calibration_error"}
STRENGTHS = (0.0, 0.032, 0.011, 0.041, -0.08)
TEXTS = (
    ("Shares of the club rose after the match", "business", "sports"),
    ("国务院总理出席世界经济论坛并发表主旨演讲,强调开放合作", "politics", "business"),
    ("A court ordered the player's former agent to repay 1.2 million in fees", "sports", "law"),
    ("New phone folds twice and costs as much as a small car", "technology", "business"),
)


def comparison(groups: int = 2, seeds: int = 1, rows: int = 1_580) -> Comparison:
    """A comparison with all its parts.

    Args:
        groups: 2 to 5.
        seeds: Of each group.
        rows: Test examples.
    """
    generator = random.Random(groups * 10 + seeds)
    made = tuple(_group(place, seeds, rows, generator) for place in range(groups))
    differences = tuple(
        _difference(metric, made[0], other, rows, groups - 1)
        for metric in METRICS
        for other in made[1:]
    )
    pairs = tuple(
        _difference("f1_macro", one, other, rows, groups * (groups - 1) // 2)
        for place, one in enumerate(made)
        for other in made[place + 1 :]
    )
    return Comparison(
        experiment="text_classification/sports_news",
        dataset="sports_news",
        num_rows=rows,
        metric="f1_macro",
        higher_is_better=True,
        confidence=0.95,
        num_samples=2_000,
        metrics=METRICS,
        groups=made,
        differences=differences,
        pairs=pairs,
        settings=_settings(made),
        costs=_costs(made, generator),
        curves=tuple(curve for group in made for curve in _curves(group, generator)),
        disagreements=tuple(_disagreement(made, other) for other in made[1:]),
        slices=tuple(part for other in made[1:] for part in _slices(made[0], other, rows)),
        notes=("The run `9f31c2d4` was left out: it has no test predictions.",)
        if seeds > 1
        else ("Single runs: another seed may turn a small difference around.",),
    )


def bare() -> Comparison:
    """Two runs of which hardly anything is known."""
    full = comparison()
    nothing = Estimate(math.nan)
    return replace(
        full,
        groups=tuple(
            replace(
                group,
                members=tuple(
                    replace(member, url=None, revision=None, dirty=None) for member in group.members
                ),
                metrics={"f1_macro": nothing, "accuracy": Estimate(0.5)},
                by_seed={"f1_macro": (math.nan,), "accuracy": (0.5,)},
            )
            for group in full.groups
        ),
        metrics=("f1_macro", "accuracy"),
        differences=tuple(
            replace(
                one,
                metric=metric,
                estimate=estimate,
                gain=estimate.value,
                p_value=None,
                p_adjusted=None,
                significant=False,
                verdict="A and B cannot be compared: f1_macro of A and B is undefined",
            )
            for one, metric, estimate in zip(
                full.differences, ("f1_macro", "accuracy"), (nothing, Estimate(0.0)), strict=False
            )
        ),
        pairs=(),
        settings=(),
        costs=(Cost("energy", "Wh", {"A": None, "B": 1.5}), Cost("none", "", {})),
        curves=(Curve("A", 42, "val/loss", (), ()), Curve("B", 42, "val/loss", (1,), (math.nan,))),
        disagreements=(),
        slices=(),
        notes=(),
    )


def many_settings(count: int) -> Comparison:
    """Two groups that differ in very many settings."""
    settings = tuple(
        Setting(f"model.layers.{place}.attention.dropout", {"A": "0.1", "B": f"0.{place}"})
        for place in range(count)
    )
    return replace(comparison(), settings=settings)


def _value(metric: str, strength: float) -> float:
    start = {"mcc": 0.78, "roc_auc": 0.962, "log_loss": 0.61, "expected_calibration_error": 0.061}
    gain = strength * {"roc_auc": 0.3, "log_loss": 4.0, "mcc": 1.3}.get(metric, 1.0)
    return start.get(metric, 0.812) + (-gain if metric in LOWER else gain)


def _error(metric: str, rows: int) -> float:
    return {"log_loss": 1.1, "roc_auc": 0.2}.get(metric, 0.39) / math.sqrt(rows)


def _group(place: int, seeds: int, rows: int, generator: random.Random) -> Group:
    label = "ABCDE"[place]
    by_seed = {
        metric: tuple(
            _value(metric, STRENGTHS[place] + (generator.gauss(0, 0.006) if seeds > 1 else 0.0))
            for _ in range(seeds)
        )
        for metric in METRICS
    }
    metrics = {}
    for metric, values in by_seed.items():
        value, half = sum(values) / seeds, 1.96 * _error(metric, rows)
        metrics[metric] = Estimate(value, value - half, value + 0.95 * half)
    members = tuple(
        Member(
            run_id=f"{generator.getrandbits(128):032x}",
            name=NAMES[place],
            seed=42 + seed,
            started=1_795_000_000.0 + 4_000 * (place * seeds + seed),
            url=f"http://127.0.0.1:5000/#/experiments/3/runs/{place}{seed}",
            revision="d5cb0b2c4f0a9be1" if place else "63b2a04c11aa02f7",
            dirty=place == 1,
        )
        for seed in range(seeds)
    )
    config = {"model.name": NAMES[place].split(maxsplit=1)[0], "optimizer.lr": f"{place + 1}e-5"}
    return Group(label, NAMES[place], members, metrics, by_seed, config)


def _difference(metric: str, one: Group, other: Group, rows: int, together: int) -> Difference:
    seeds = len(one.members)
    value = other.metrics[metric].value - one.metrics[metric].value
    error = 0.9 * _error(metric, rows) + 0.002 * (seeds > 1)
    p_value = math.erfc(abs(value) / error / math.sqrt(2))
    adjusted = min(p_value * together, 1.0)
    gain = -value if metric in LOWER else value
    shown = adjusted < 0.05
    ahead, behind = (other.label, one.label) if gain > 0 else (one.label, other.label)
    size, half = 100 * abs(value), 196 * error
    evidence = (
        f"{size:.1f} points, 95 % interval {size - half:.1f} to {size + half:.1f}, "
        f"p = {adjusted:.2g}"
    )
    needed = math.ceil(rows * (2.8 * error / value) ** 2) if value else None
    return Difference(
        metric=metric,
        reference=one.label,
        other=other.label,
        estimate=Estimate(value, value - 1.96 * error, value + 1.96 * error),
        gain=gain,
        p_value=p_value,
        p_adjusted=adjusted,
        method=_method(metric, seeds),
        significant=shown,
        examples_needed=None if shown else needed,
        seeds_needed=None if shown or seeds == 1 else 12,
        verdict=f"{ahead} is better than {behind} by {evidence}"
        if shown
        else f"no difference that {rows:,} examples can show; about {needed:,} would be needed "
        f"({ahead} is ahead of {behind} by {evidence})",
    )


def _method(metric: str, seeds: int) -> str:
    if seeds > 1:
        return "t-test over seeds and examples"
    if metric == "accuracy":
        return "McNemar's test"
    bootstrap = metric in {"roc_auc", "log_loss", "expected_calibration_error"}
    return "paired bootstrap" if bootstrap else "approximate randomisation"


def _settings(groups: tuple[Group, ...]) -> tuple[Setting, ...]:
    values = {
        "model.checkpoint": (
            "bert-base-chinese",
            "hfl/chinese-roberta-wwm-ext",
            "hfl/chinese-roberta-wwm-ext",
            "microsoft/deberta-v3-base",
            "–",
        ),
        "optimizer.lr": ("5e-05", "2e-05", "2e-05", "0.0003", "0.001"),
        "method.name": ("full", "full", "frozen_prefix", "lora", "full"),
        "data.cleaning": (
            '[{"step": "unicode", "form": "NFKC"}, {"step": "collapse_whitespace"}]',
            '[{"step": "unicode", "form": "NFKC"}]',
            "[]",
            "[]",
            "[]",
        ),
        "git.revision": ("63b2a04c11", "d5cb0b2c4f + changes (a1b2c3)", *["d5cb0b2c4f"] * 3),
    }
    labels = [group.label for group in groups]
    return tuple(
        Setting(name, dict(zip(labels, texts, strict=False))) for name, texts in values.items()
    )


def _costs(groups: tuple[Group, ...], generator: random.Random) -> tuple[Cost, ...]:
    amounts = {
        ("training time", "s"): 811.0,
        ("tokens trained on", ""): 2_841_600.0,
        ("tokens per second", "1/s"): 3_504.0,
        ("peak memory", "MB"): 4_310.0,
        ("energy", "Wh"): 21.4,
        ("parameters", ""): 102_269_190.0,
        ("trainable parameters", ""): 102_269_190.0,
        ("onnx_int8 size", "MB"): 98.7,
        ("onnx_int8 latency, batch 1", "ms"): 7.42,
    }
    return tuple(
        Cost(
            name,
            unit,
            {
                group.label: None
                if name == "energy" and group.label == "C"
                else amount * (1 + 0.6 * place * generator.random())
                for place, group in enumerate(groups)
            },
        )
        for (name, unit), amount in amounts.items()
    )


def _curves(group: Group, generator: random.Random) -> list[Curve]:
    found = []
    place = "ABCDE".index(group.label)
    for member in group.members:
        rate, noise = 90 + 25 * place + generator.uniform(-8, 8), 0.06
        steps = tuple(range(1, 501))
        loss = tuple(
            0.35 + 1.7 * math.exp(-step / rate) + generator.gauss(0, noise) for step in steps
        )
        checks = tuple(range(50, 501, 50))
        final = group.metrics["f1_macro"].value
        values = tuple(final - 0.5 * math.exp(-step / rate) for step in checks)
        later = tuple(0.5 + 1.5 * math.exp(-step / rate) + step / 4_000 for step in checks)
        found += [
            Curve(group.label, member.seed, "train/loss", steps, loss),
            Curve(group.label, member.seed, "val/loss", checks, later),
            Curve(group.label, member.seed, "val/f1_macro", checks, values),
        ]
    return found


def _disagreement(groups: tuple[Group, ...], other: Group) -> Disagreement:
    reference = groups[0].label

    def example(place: int, right: str, wrong: str) -> Example:
        text, answer, mistake = TEXTS[place % len(TEXTS)]
        scores = {group.label: 1.0 if group.label != wrong else 0.0 for group in groups}
        return Example(
            f"test-{place:05d}",
            text,
            answer,
            {name: f"{answer if score else mistake} (71%)" for name, score in scores.items()},
            {**scores, right: 1.0},
        )

    return Disagreement(
        reference,
        other.label,
        87,
        2,
        tuple(example(place, other.label, reference) for place in range(6)),
        tuple(example(place, reference, other.label) for place in range(2)),
    )


def _slices(reference: Group, other: Group, rows: int) -> list[Slice]:
    edges = (1, 12, 24, 48, 96, 400)
    parts = [("length", f"{low} to {high} words", 0.3) for low, high in pairwise(edges)]
    parts += [
        ("label", name, share)
        for name, share in (
            ("体育新闻", 0.4),
            ("business", 0.2),
            ("politics", 0.2),
            ("science and technology", 0.1),
            ("law", 0.02),
        )
    ]
    parts += [("language", "zh", 0.7), ("language", "en", 0.3)]
    overall = other.metrics["f1_macro"].value - reference.metrics["f1_macro"].value
    found = []
    for place, (dimension, value, share) in enumerate(parts):
        count = max(round(share * rows), 3)
        error = 0.3 / math.sqrt(count)
        difference = overall * (0.2 + 0.5 * (place % 5))
        p_value = min(math.erfc(abs(difference) / error / math.sqrt(2)) * len(parts), 1.0)
        found.append(
            Slice(
                dimension=dimension,
                value=value,
                rows=count,
                reference=reference.label,
                other=other.label,
                values={reference.label: 0.8, other.label: 0.8 + difference},
                estimate=Estimate(difference, difference - 1.96 * error, difference + 1.96 * error),
                p_adjusted=None if value == "law" else p_value,
                significant=value != "law" and p_value < 0.05,
            )
        )
    return found
