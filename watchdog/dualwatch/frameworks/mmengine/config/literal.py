"""The values that a configuration's statements assign, out of their syntax tree."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator, Sequence
from typing import Any

from dualwatch.core.plain import PlainDict, PlainValue, as_list
from dualwatch.core.text import clean
from dualwatch.core.unread import WIDTH, is_unread
from dualwatch.frameworks.mmengine.config.expressions import (
    MAX_NESTING,
    ExpressionReader,
    is_key,
    root,
    weight,
)

MAX_PROBLEMS = 20

_DELETE = "_delete_"
REST = "..."
"""Key of a dictionary of which only a part is known; its value is a mark."""


class LiteralReader(ExpressionReader):
    """Takes the statements of a module in their order.

    Attributes:
        values, written, problems: See ``static.StaticConfig``.
    """

    def __init__(self, lines: list[str]) -> None:
        super().__init__(lines)
        self.written: dict[str, str] = {}
        self.problems: list[str] = []
        self._from_others: set[str] = set()

    def take(self, statement: ast.stmt) -> None:
        """One top-level statement."""
        if isinstance(statement, ast.Assign):
            value, size = self._weighed(statement.value)
            for target in statement.targets:
                self._assign(statement, target, value, size)
                if isinstance(target, ast.Name) and root(statement.value) in self._from_others:
                    self._from_others.add(target.id)
        elif isinstance(statement, ast.AnnAssign):
            if statement.value is not None:
                self._assign(statement, statement.target, *self._weighed(statement.value))
        elif isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Name):
            name = statement.target.id
            added, size = self._weighed(statement.value)
            before = self.values.get(name, self._mark(statement.target))
            value = self._result(statement, statement.op, before, added)
            self._assign(statement, statement.target, value, size + self._weights.get(name, 1))
        elif isinstance(statement, ast.Expr):
            self._expression(statement)
        elif isinstance(statement, ast.Delete) and all(map(self._is_place, statement.targets)):
            for target in statement.targets:
                holder, key = self._place(target)
                if isinstance(holder, dict):
                    holder.pop(key)
        elif not isinstance(statement, ast.Pass):
            self._pass_over(statement)

    def bind(self, name: str, value: PlainValue, written: str = "") -> None:
        """A value that another file defines under this name."""
        self.values[name] = copy.deepcopy(value)
        self._weights[name] = weight(value)
        self._from_others.add(name)  # Its dictionaries have attributes.
        if written:
            self.written[name] = written

    def bind_classes(self, statement: ast.Import | ast.ImportFrom) -> None:
        """Imports of a file whose imports are not executed: the names become those of classes."""
        module = getattr(statement, "module", None)
        for alias in statement.names:
            own = alias.asname or (alias.name if module else alias.name.partition(".")[0])
            full = f"{module}.{alias.name}" if module else alias.name if alias.asname else own
            self.values[own] = self._mark(statement)
            self._classes[own] = full

    def _assign(self, statement: ast.stmt, target: ast.expr, value: PlainValue, size: int) -> None:
        if isinstance(target, ast.Name):
            self.values[target.id] = value
            self._weights[target.id] = size
            self.written[target.id] = self._source(statement)
            return
        name = root(target)
        holder, key = self._place(target)
        if name is not None and not is_unread(key):
            if isinstance(holder, dict) and is_key(key):
                self._put(statement, name, holder, {key: value})
                return
            size = len(holder) if isinstance(holder, list) else 0
            if isinstance(holder, list) and type(key) is int and -size <= key < size:
                self._put(statement, name, holder, {key: value})
                return
        self._pass_over(statement)

    def _place(self, target: ast.expr) -> tuple[PlainValue, PlainValue]:
        """The container and the key that ``a['b']`` or ``a.b`` is; None for other targets."""
        if isinstance(target, ast.Subscript):
            return self._value(target.value), self._value(target.slice)
        if isinstance(target, ast.Attribute) and root(target) in self._from_others:
            return self._value(target.value), target.attr
        return (self.values, target.id) if isinstance(target, ast.Name) else (None, None)

    def _is_place(self, target: ast.expr) -> bool:
        holder, key = self._place(target)
        return isinstance(holder, dict) and is_key(key) and key in holder

    def _expression(self, statement: ast.Expr) -> None:
        """``update``, ``merge`` and ``pop`` are followed; other calls may change anything."""
        call = statement.value
        if not isinstance(call, ast.Call):
            return
        if not isinstance(call.func, ast.Attribute):
            is_print = isinstance(call.func, ast.Name) and call.func.id == "print"
            given = [n.id for n in ast.walk(call) if isinstance(n, ast.Name)]
            held = [n for n in given if isinstance(self.values.get(n), (dict, list))]
            if held and not is_print:
                self._pass_over(statement, held)
            return
        name = root(call.func)
        if name is None or name not in self.values:
            return
        holder = self._value(call.func.value)
        if call.func.attr == "update" and isinstance(holder, dict):
            added = self._value(ast.Call(ast.Name("dict", ast.Load()), call.args, call.keywords))
            if isinstance(added, dict):
                self._put(statement, name, holder, added)
                return
        if call.func.attr == "pop" and isinstance(holder, dict) and call.args:
            key = self._value(call.args[0])
            if is_key(key) and not is_unread(key):
                holder.pop(key, None)
                return
        if call.func.attr == "merge" and isinstance(holder, dict) and len(call.args) == 1:
            added = self._value(call.args[0])
            if isinstance(added, dict):
                self._put(statement, name, holder, merge(added, holder))
                return
        self._pass_over(statement)

    def _put(
        self,
        statement: ast.stmt,
        name: str,
        holder: dict[Any, PlainValue] | list[PlainValue],
        parts: dict[Any, PlainValue],
    ) -> None:
        """Puts copies into a dictionary or list: nothing may come to hold itself."""
        more = weight(parts)
        self._left -= more
        if self._left < 0:
            self._pass_over(statement)
            return
        for key, value in copy.deepcopy(parts).items():
            holder[key] = value
        self._weights[name] = self._weights.get(name, 1) + more
        self.written[name] = f"{self.written.get(name, '')}\n{self._source(statement)}".strip("\n")

    def _pass_over(self, statement: ast.stmt, changed: Sequence[str] = ()) -> None:
        """What a statement that is not followed may have changed is unknown from here on."""
        for name in (*_changed_names(statement), *changed):
            before = self.values.get(name)
            shared = [name, *(n for n, v in self.values.items() if _holds(v, before))]
            for one in shared:  # Another name for the same dictionary changes with it.
                self.values[one] = self._mark(statement)
                self._weights[one] = 1
        if len(self.problems) < MAX_PROBLEMS:
            first = clean(self._lines[statement.lineno - 1].strip(), WIDTH)
            self.problems.append(f"line {statement.lineno} is not followed: {first}")


def _changed_names(statement: ast.stmt) -> Iterator[str]:
    """Names that a statement may bind or change."""
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, (ast.Store, ast.Del)):
            yield node.id
        elif isinstance(node, (ast.Subscript, ast.Attribute)):
            is_target = isinstance(node.ctx, (ast.Store, ast.Del))
            name = root(node) if is_target else None
            if name is not None:
                yield name
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            name = root(node.func)
            if name is not None:
                yield name
        elif isinstance(node, ast.alias):
            yield (node.asname or node.name).partition(".")[0]
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef)):
            yield node.name


def merge(own: PlainDict, base: PlainDict) -> dict[str, PlainValue]:
    """mmengine's rule: dictionaries are merged, unless ``_delete_`` says otherwise."""
    values = dict(base)
    for key, value in own.items():
        if isinstance(value, dict):
            below, replaces = values.get(key), bool(value.get(_DELETE))
            value = {name: part for name, part in value.items() if name != _DELETE}
            if isinstance(below, dict) and not replaces:
                value = merge(value, below)
            elif is_unread(below) and not replaces:
                value[REST] = below
        values[key] = value
    return values


def _holds(value: PlainValue, part: PlainValue, depth: int = 0) -> bool:
    """Whether a value is, or contains, that very dictionary or list."""
    if not isinstance(part, (dict, list)) or depth > MAX_NESTING:
        return False
    if value is part:
        return True
    inner = list(value.values()) if isinstance(value, dict) else as_list(value)
    return any(_holds(v, part, depth + 1) for v in inner)
