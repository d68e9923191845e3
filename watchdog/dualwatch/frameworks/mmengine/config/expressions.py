"""The values of a configuration's expressions, out of their syntax tree."""

from __future__ import annotations

import ast
from typing import TypeGuard

from dualwatch.core.plain import PlainValue, as_list
from dualwatch.core.unread import WIDTH, is_unread, mark

ConfigKey = str | int | float | bool | None
"""A key of a dictionary."""

MAX_NODES = 2_000_000
"""Values in all, each use of a name counted with its values."""

MAX_NESTING = 150
MAX_TEXT = 1_000_000
MAX_NUMBER = 10**15


def weight(value: PlainValue, known: dict[int, int] | None = None, depth: int = 0) -> int:
    """Values in all, those in several places counted in each.

    What holds itself, or is nested more deeply than readers can follow, counts as too many.
    """
    if not isinstance(value, (dict, list, tuple)):
        return 1
    if depth > MAX_NESTING:
        return MAX_NODES + 1
    known = {} if known is None else known
    if id(value) not in known:
        known[id(value)] = MAX_NODES + 1
        parts = value.values() if isinstance(value, dict) else value
        known[id(value)] = 1 + sum(weight(part, known, depth + 1) for part in parts)
    return known[id(value)]


class ExpressionReader:
    """Evaluates literals, ``dict(...)``, names that are known and simple sums.

    Attributes:
        values: Name -> value; what could not be read is a mark, see ``core.unread``.
    """

    def __init__(self, lines: list[str]) -> None:
        self.values: dict[str, PlainValue] = {}
        self._lines = lines
        self._weights: dict[str, int] = {}
        self._left = MAX_NODES
        self._classes: dict[str, str] = {}

    def value(self, node: ast.expr) -> PlainValue:
        """The value of an expression, or a mark."""
        return self._value(node)

    def _weighed(self, node: ast.expr) -> tuple[PlainValue, int]:
        before = self._left
        return self._value(node), before - self._left

    def _value(self, node: ast.expr) -> PlainValue:
        self._left -= 1
        if self._left < 0:
            return self._mark(node)
        if isinstance(node, ast.Constant):
            return self._constant(node)
        if isinstance(node, ast.Name) and node.id in self.values:
            self._left -= self._weights.get(node.id, 1)
            return self.values[node.id] if self._left >= 0 else self._mark(node)
        if isinstance(node, ast.Name) and node.id in ("nan", "inf"):
            return float(node.id)  # How a dumped configuration writes these two numbers.
        if isinstance(node, (ast.List, ast.Tuple)):
            items = [item for part in node.elts for item in self._items(part)]
            return items if isinstance(node, ast.List) else tuple(items)
        if isinstance(node, ast.Dict):
            return self._dict(node)
        if isinstance(node, ast.Call):
            return self._call(node)
        if isinstance(node, ast.BinOp):
            return self._result(node, node.op, self._value(node.left), self._value(node.right))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
            number = self._value(node.operand)
            if _is_number(number):
                return -number if isinstance(node.op, ast.USub) else number
        if isinstance(node, ast.Subscript):
            return self._part(node)
        if isinstance(node, ast.Attribute):
            return self._attribute(node)
        return self._mark(node)

    def _attribute(self, node: ast.Attribute) -> PlainValue:
        """``_base_.model``."""
        holder = self._value(node.value)
        return (
            holder.get(node.attr, self._mark(node))
            if isinstance(holder, dict)
            else self._mark(node)
        )

    def _entry(self, key: PlainValue, node: ast.expr) -> PlainValue:
        """The value of a dictionary's key; a class that is not imported is named by its type."""
        if key == "type" and (name := root(node)) in self._classes and name is not None:
            return f"{self._classes[name]}{ast.unparse(node).removeprefix(name)}"
        return self._value(node)

    def _constant(self, node: ast.Constant) -> PlainValue:
        value = node.value
        if isinstance(value, str) and "{{" in value and "}}" in value:
            return self._mark(node)  # mmengine puts something else there.
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        return self._mark(node)

    def _items(self, node: ast.expr) -> list[PlainValue]:
        if not isinstance(node, ast.Starred):
            return [self._value(node)]
        several = self._value(node.value)
        return list(several) if isinstance(several, (list, tuple)) else [self._mark(node)]

    def _dict(self, node: ast.Dict) -> PlainValue:
        found: dict[ConfigKey, PlainValue] = {}
        for key_node, value_node in zip(node.keys, node.values, strict=True):
            if key_node is None:
                value = self._value(value_node)
                if not isinstance(value, dict):
                    return self._mark(node)
                found.update(value)
                continue
            key = self._value(key_node)
            if not is_key(key) or is_unread(key):
                return self._mark(node)
            found[key] = self._entry(key, value_node)
        return found

    def _call(self, node: ast.Call) -> PlainValue:
        """``dict(...)``, ``float("nan")``, and lists and tuples that are made into each other."""
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name == "float" and name not in self.values and _is_special_float(node):
            return float(ast.literal_eval(node.args[0]))
        if name in self.values or name not in ("dict", "list", "tuple"):
            return self._mark(node)
        given = [self._value(argument) for argument in node.args]
        if name == "dict":
            first = given[0] if given else {}
            if len(given) > 1 or not isinstance(first, dict):
                return self._mark(node)
            found: dict[ConfigKey, PlainValue] = dict(first)
            for keyword in node.keywords:
                value = self._entry(keyword.arg, keyword.value)
                if keyword.arg is not None:
                    found[keyword.arg] = value
                elif isinstance(value, dict):
                    found.update(value)
                else:
                    return self._mark(node)
            return found
        if node.keywords or len(given) > 1:
            return self._mark(node)
        items = given[0] if given else ()
        if not isinstance(items, (list, tuple)):
            return self._mark(node)
        return list(items) if name == "list" else tuple(items)

    def _result(
        self, node: ast.AST, op: ast.operator, left: PlainValue, right: PlainValue
    ) -> PlainValue:
        """Sums of texts and lists, and arithmetic of numbers that stay small."""
        if is_unread(left) or is_unread(right):
            return self._mark(node)
        if _is_number(left) and _is_number(right):
            return self._arithmetic(node, op, left, right)
        if isinstance(op, ast.Add):
            return self._joined(node, left, right)
        return self._mark(node)

    def _joined(self, node: ast.AST, left: PlainValue, right: PlainValue) -> PlainValue:
        if isinstance(left, str) and isinstance(right, str):
            return left + right if len(left) + len(right) <= MAX_TEXT else self._mark(node)
        if type(left) is type(right) and isinstance(left, (list, tuple)):
            items = [*left, *as_list(right)]
            self._left -= len(items)
            if len(items) <= MAX_TEXT and self._left >= 0:
                return items if isinstance(left, list) else tuple(items)
        return self._mark(node)

    def _arithmetic(self, node: ast.AST, op: ast.operator, left: float, right: float) -> PlainValue:
        if abs(left) > MAX_NUMBER or abs(right) > MAX_NUMBER:
            return self._mark(node)
        if isinstance(op, ast.Add):
            return left + right
        if isinstance(op, ast.Sub):
            return left - right
        if isinstance(op, ast.Mult):
            return left * right
        if isinstance(op, ast.Div) and right:
            return left / right
        if isinstance(op, ast.FloorDiv) and right:
            return left // right
        return self._mark(node)

    def _part(self, node: ast.Subscript) -> PlainValue:
        holder, key = self._value(node.value), self._value(node.slice)
        if isinstance(holder, dict) and is_key(key):
            found: PlainValue = holder.get(key, self._mark(node))
            return found
        items = as_list(holder)
        if type(key) is int and -len(items) <= key < len(items):
            return items[key]
        return self._mark(node)

    # --- text ---

    def _mark(self, node: ast.AST) -> str:
        """The mark that quotes an expression's first line."""
        line, start = getattr(node, "lineno", 0), getattr(node, "col_offset", 0)
        if not line:
            return mark("?")
        end = node.end_col_offset if node.end_lineno == line else None  # type: ignore[attr-defined]
        # Columns count bytes, of which a character has four at most.
        head = self._lines[line - 1][: start + 4 * WIDTH].encode("utf-8", "replace")
        return mark(head[start:end].decode("utf-8", "replace").strip())

    def _source(self, statement: ast.stmt) -> str:
        """The lines of a statement, as they are."""
        first, last = statement.lineno - 1, statement.end_lineno or statement.lineno
        lines = [line.encode("utf-8", "replace") for line in self._lines[first:last]]
        lines[-1] = lines[-1][: statement.end_col_offset]
        lines[0] = lines[0][statement.col_offset :]
        return b"\n".join(lines).decode("utf-8", "replace")


def root(node: ast.expr) -> str | None:
    """The name that a chain of subscripts and attributes begins with."""
    while isinstance(node, (ast.Subscript, ast.Attribute)):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def _is_special_float(node: ast.Call) -> bool:
    """Whether it is ``float("nan")``, ``float("inf")`` or their kind."""
    text = (
        node.args[0].value if len(node.args) == 1 and isinstance(node.args[0], ast.Constant) else ""
    )
    words = ("nan", "inf", "infinity")
    return isinstance(text, str) and not node.keywords and text.lower().lstrip("+-") in words


def _is_number(value: PlainValue) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_key(value: PlainValue) -> TypeGuard[ConfigKey]:
    return value is None or isinstance(value, (str, int, float, bool))
