from __future__ import annotations

from typing import Any

import pytest

from pipeline.sweep.definition.expressions import evaluate, names

VALUES: dict[str, Any] = {
    "seed": 3,
    "optimizer": {"kind": "adamw", "lr": 2e-5, "head_lr": None, "betas": [0.9, 0.999]},
    "trainer": {"max_tokens_per_batch": 1024, "max_epochs": 3, "compile": False},
    "method": {"kind": "frozen_prefix", "frozen_layers": 4},
}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("10 * optimizer.lr", 2e-4),
        ("optimizer.lr * trainer.max_tokens_per_batch / 1024", 2e-5),
        ("trainer.max_tokens_per_batch // 3", 341),
        ("trainer.max_tokens_per_batch % 1000 - 4", 20),
        ("2 ** (seed + 1)", 16),
        ("2 ** -1", 0.5),
        ("-seed + +1", -2),
        ("1 + 2 * 3", 7),
        ("seed", 3),
        ("optimizer.betas", [0.9, 0.999]),
        ("optimizer.head_lr", None),
        ("0.1 if method.kind == 'frozen_prefix' else 0.0", 0.1),
        ("optimizer.lr if optimizer.head_lr == null else optimizer.head_lr", 2e-5),
        ("'adamw' if seed > 2 and not trainer.compile else 'sgd'", "adamw"),
        ("1 < seed <= 3", True),
        ("1 < seed < 3", False),
        ("seed != 3 or trainer.compile", False),
        ("true", True),
        ("None", None),
        ("min(seed, 2) + max(1, seed)", 5),
        ("round(2.6) + int(3.9) + abs(-1)", 7),
        ("round(optimizer.lr * 3, 5)", 6e-5),
        ("log2(trainer.max_tokens_per_batch) + sqrt(16)", 14.0),
        ("ceil(1.2) + floor(1.8)", 3),
        ("float(seed)", 3.0),
    ],
)
def test_an_expression_has_its_value(expression: str, expected: Any) -> None:
    found = evaluate(expression, VALUES)
    assert found == (pytest.approx(expected) if isinstance(expected, float) else expected)
    assert type(found) is type(expected)


def test_conditions_are_evaluated_no_further_than_needed() -> None:
    assert evaluate("1 / 0 if seed == 0 else 1", VALUES) == 1
    assert evaluate("seed == 3 or 1 / 0", VALUES) is True
    assert evaluate("seed == 0 and 1 / 0", VALUES) is False


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("10 * optimiser.lr", "no key 'optimiser.lr'; did you mean 'optimizer'"),
        ("10 * optimizer.lrr", "no key 'optimizer.lrr'; did you mean 'optimizer.lr'"),
        ("seed.x", "no key 'seed.x'"),
        ("1 if seed == 3 else optimizer.lrr", "no key 'optimizer.lrr'"),
        ("10 * optimizer.head_lr", "optimizer.head_lr is None, which is not a number"),
        ("2 * trainer.compile", "trainer.compile is False, which is not a number"),
        ("2 * 'a'", "'a' is 'a', which is not a number"),
        ("max(optimizer.betas)", "which is not a number"),
        ("optimizer.kind < 3", "optimizer.kind < 3 compares 'adamw' and 3"),
        ("1 / (seed - 3)", "divides by zero"),
        ("1 % 0.0", "divides by zero"),
        ("1e308 * 10", "inf is not a finite number"),
        ("2.0 ** 5000", "larger than numbers can be"),
        ("9 ** 9 ** 9", "larger than numbers can be"),
        ("(2 ** 1000) * (2 ** 1000)", "larger than numbers can be"),
        ("(-1) ** 0.5", "not a finite number"),
        ("sqrt(-1)", "sqrt(-1) has no value"),
        ("log2(0)", "log2(0) has no value"),
        ("min(1)", "min(1) has no value"),
        ("min()", "min() has no value"),
        ("ceil(1, 2)", "ceil(1, 2) has no value"),
        ("maxx(1, 2)", "no function 'maxx'; did you mean 'max'"),
        ("1 +", "'1 +' is not an expression"),
        ("", "is not an expression"),
        ("lr = 3", "is not an expression"),
        ("1; 2", "is not an expression"),
        ("(" * 300 + "1" + ")" * 199, "is not an expression"),
        ("1 + " * 200 + "1", "at most 500 characters"),
    ],
)
def test_what_has_no_value_is_told(expression: str, message: str) -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011
        evaluate(expression, VALUES)
    assert message in str(error.value)


@pytest.mark.parametrize(
    "expression",
    [
        "__import__('os').getcwd()",
        "open('/etc/passwd')",
        "().__class__.__bases__[0]",
        "'a'.upper()",
        "(1).real",
        "optimizer.betas[0]",
        "[seed for seed in optimizer.betas]",
        "{1: 2}",
        "(lambda: 1)()",
        "f'{seed}'",
        "seed := 3",
        "(seed := 3)",
        "b'bytes'",
        "1j",
        "...",
        "seed & 1",
        "seed is None",
        "seed in optimizer.betas",
        "min(*optimizer.betas)",
        "round(1.5, ndigits=1)",
        "min.x(1)",
        "1 if seed == 3 else open('/etc/passwd')",
    ],
)
def test_nothing_of_python_besides_arithmetic_is_reached(expression: str) -> None:
    with pytest.raises(ValueError, match=r"cannot be part|not a key|no function|not an expression"):
        evaluate(expression, {**VALUES, "min": {"x": 1}})


def test_the_keys_of_an_expression_are_named() -> None:
    expression = "max(optimizer.lr, 0.1) if method.kind == 'head' and not null else seed ** 2"
    assert names(expression) == {"optimizer.lr", "method.kind", "seed"}
    assert names("1 + 1") == set()


def test_names_are_those_of_expressions_only() -> None:
    with pytest.raises(ValueError, match="no function 'open'"):
        names("open(optimizer.lr)")
