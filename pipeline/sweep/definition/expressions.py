"""Arithmetic over the values of a configuration, for keys that are derived from others."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

from pipeline.errors import did_you_mean

_LONGEST = 500
_LARGEST_BITS = 1_024
"""Whole numbers stay below two to this power, which is more than any float holds."""

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "min": min,
    "max": max,
    "round": round,
    "int": int,
    "float": float,
    "abs": abs,
    "log2": math.log2,
    "sqrt": math.sqrt,
    "ceil": math.ceil,
    "floor": math.floor,
}
"""What an expression may call, with numbers as arguments."""

_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_CONSTANTS = {"true": True, "false": False, "null": None}
"""YAML's spelling of Python's constants."""


def evaluate(expression: str, values: Mapping[str, Any]) -> Any:
    """Computes an expression, for example `10 * optimizer.lr`.

    It may hold numbers, texts, truth values, null, keys, `+ - * / // % **`, comparisons, `and`,
    `or`, `not`, `x if condition else y`, and the functions of `FUNCTIONS`. Nothing of Python
    besides can be reached. Operators and functions take numbers; truth values are none.

    Args:
        expression: The expression.
        values: The configuration as nested mappings.

    Raises:
        ValueError: If it is none, names a key that is not in the configuration (even where the
            value does not depend on it), or has no finite value.
    """
    tree = _parse(expression)
    for name in sorted(_names(tree)):
        _look_up(name, values)
    try:
        return _finite(_value(tree, values))
    except ZeroDivisionError:
        raise ValueError(f"{expression!r} divides by zero") from None
    except OverflowError:
        raise ValueError(f"{expression!r} is larger than numbers can be") from None


def names(expression: str) -> set[str]:
    """The keys that an expression reads, as dotted paths.

    Raises:
        ValueError: If it is no expression.
    """
    return _names(_parse(expression))


def _parse(expression: str) -> ast.expr:
    if len(expression) > _LONGEST:
        raise ValueError(f"an expression has at most {_LONGEST} characters")
    try:
        tree = ast.parse(expression.strip(), mode="eval").body
        _check(tree)
    except (SyntaxError, RecursionError, MemoryError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else "too deeply nested"
        raise ValueError(f"{expression!r} is not an expression: {reason}") from None
    return tree


def _check(node: ast.expr) -> None:
    """Refuses whatever has no place in an expression, whether or not it would be reached."""
    children: list[ast.expr] = []
    match node:
        case ast.Constant(value=bool() | int() | float() | str() | None):
            pass
        case ast.Name() | ast.Attribute():
            _path(node)
        case ast.BinOp(left, op, right) if type(op) in _ARITHMETIC:
            children = [left, right]
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() | ast.Not(), operand=operand):
            children = [operand]
        case ast.Compare(left, ops, comparators) if all(type(op) in _COMPARISONS for op in ops):
            children = [left, *comparators]
        case ast.BoolOp(values=values):
            children = values
        case ast.IfExp(test, body, orelse):
            children = [test, body, orelse]
        case ast.Call(func=ast.Name(id=function), args=args, keywords=[]):
            if function not in FUNCTIONS:
                remedy = did_you_mean(function, FUNCTIONS)
                raise ValueError(f"there is no function {function!r}; {remedy}")
            children = args
        case _:
            raise ValueError(f"{ast.unparse(node)!r} cannot be part of an expression")
    for child in children:
        _check(child)


def _names(node: ast.expr) -> set[str]:
    if isinstance(node, (ast.Name, ast.Attribute)):
        path = _path(node)
        return set() if path in _CONSTANTS else {path}
    parts = node.args if isinstance(node, ast.Call) else ast.iter_child_nodes(node)
    return {name for part in parts if isinstance(part, ast.expr) for name in _names(part)}


def _path(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=attribute):
            return f"{_path(value)}.{attribute}"
    raise ValueError(f"{ast.unparse(node)!r} is not a key")


def _look_up(path: str, values: Mapping[str, Any]) -> Any:
    if path in _CONSTANTS:
        return _CONSTANTS[path]
    found: Any = values
    before = ""
    for part in path.split("."):
        if not isinstance(found, Mapping) or part not in found:
            known = [f"{before}{name}" for name in found] if isinstance(found, Mapping) else []
            remedy = did_you_mean(f"{before}{part}", known)
            raise ValueError(f"the configuration has no key {path!r}; {remedy}")
        found = found[part]
        before += f"{part}."
    return found


def _value(node: ast.expr, values: Mapping[str, Any]) -> Any:
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, (ast.Name, ast.Attribute)):
        return _look_up(_path(node), values)
    return _RULES[type(node)](node, values)


def _arithmetic(node: ast.BinOp, values: Mapping[str, Any]) -> Any:
    a, b = _number(node.left, values), _number(node.right, values)
    whole = isinstance(a, int) and isinstance(b, int)
    if isinstance(node.op, ast.Pow) and whole and int(a).bit_length() * abs(b) > _LARGEST_BITS:
        raise OverflowError
    return _finite(_ARITHMETIC[type(node.op)](a, b))


def _unary(node: ast.UnaryOp, values: Mapping[str, Any]) -> Any:
    if isinstance(node.op, ast.Not):
        return not _value(node.operand, values)
    number = _number(node.operand, values)
    return -number if isinstance(node.op, ast.USub) else number


def _logic(node: ast.BoolOp, values: Mapping[str, Any]) -> Any:
    found: Any = None
    for part in node.values:
        found = _value(part, values)
        if bool(found) == isinstance(node.op, ast.Or):
            break
    return found


def _comparison(node: ast.Compare, values: Mapping[str, Any]) -> bool:
    left = _value(node.left, values)
    for op, comparator in zip(node.ops, node.comparators, strict=True):
        right = _value(comparator, values)
        try:
            holds = _COMPARISONS[type(op)](left, right)
        except TypeError:
            raise ValueError(f"{ast.unparse(node)} compares {left!r} and {right!r}") from None
        if not holds:
            return False
        left = right
    return True


def _choice(node: ast.IfExp, values: Mapping[str, Any]) -> Any:
    return _value(node.body if _value(node.test, values) else node.orelse, values)


def _call(node: ast.Call, values: Mapping[str, Any]) -> Any:
    function = ast.unparse(node.func)
    arguments = [_number(argument, values) for argument in node.args]
    try:
        return _finite(FUNCTIONS[function](*arguments))
    except (TypeError, ValueError) as error:
        written = ", ".join(map(str, arguments))
        raise ValueError(f"{function}({written}) has no value: {error}") from None


_RULES: dict[type[ast.expr], Callable[[Any, Mapping[str, Any]], Any]] = {
    ast.BinOp: _arithmetic,
    ast.UnaryOp: _unary,
    ast.BoolOp: _logic,
    ast.Compare: _comparison,
    ast.IfExp: _choice,
    ast.Call: _call,
}


def _number(node: ast.expr, values: Mapping[str, Any]) -> int | float:
    value = _value(node, values)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"{ast.unparse(node)} is {value!r}, which is not a number")
    return value


def _finite(value: Any) -> Any:
    if isinstance(value, complex) or (isinstance(value, float) and not math.isfinite(value)):
        raise ValueError(f"{value} is not a finite number")
    if isinstance(value, int) and value.bit_length() > _LARGEST_BITS:
        raise OverflowError
    return value
