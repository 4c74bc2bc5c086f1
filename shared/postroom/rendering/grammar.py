"""What a template may consist of. Everything else is refused when it is stored, with the line that it stands in.

What is left is rewritten so that whatever takes time is counted before it is done: a loop costs its length times its
body, a macro its body at each call, and a comparison looks at single values only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jinja2 import nodes
from jinja2.visitor import NodeTransformer

from postroom.rendering.budget import Flaw
from postroom.rendering.words import FILTERS, TESTS

MOST_NODES = 20_000
DEEPEST = 60
_DEEPEST_LOOPS = 8
_LARGEST = 10**15  # of a number

EACH, CHARGE, SCALAR, WITHIN, JOINED = "_each", "_charge", "_scalar", "_within", "_joined"
"""Filters that the rewriting puts in, which no template can name."""

_ALLOWED = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.Const,
    nodes.Getattr,
    nodes.Getitem,
    nodes.Filter,
    nodes.Test,
    nodes.Compare,
    nodes.Operand,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.CondExpr,
    nodes.Add,
    nodes.Sub,
    nodes.Mul,
    nodes.Div,
    nodes.FloorDiv,
    nodes.Mod,
    nodes.Neg,
    nodes.Concat,
    nodes.List,
    nodes.Tuple,
    nodes.Call,
    nodes.Keyword,
    nodes.For,
    nodes.If,
    nodes.Assign,
    nodes.AssignBlock,
    nodes.With,
    nodes.Macro,
)

_CALLED: Mapping[str, str] = {
    "Pow": "`**` isn't offered",
    "Slice": "parts of lists and texts, as in `[1:3]`, aren't offered",
    "Dict": "objects can't be written out in a template: pass them as variables",
    "Include": "a template can't include another",
    "Import": "a template can't import another",
    "FromImport": "a template can't import another",
    "Extends": "a template can't extend another",
    "Block": "a template can't be extended, so it has no blocks",
    "NSRef": "only whole variables can be set",
}
_NO_NAMES = {"self", "super", "caller", "varargs", "kwargs"}


def check(tree: nodes.Template) -> None:
    """Raises `Flaw`. Nothing in here is recursive, so it may be asked of a tree of any depth."""
    waiting: list[tuple[nodes.Node, int, int]] = [(tree, 0, 0)]
    count = 0
    while waiting:
        node, depth, loops = waiting.pop()
        count += 1
        if count > MOST_NODES:
            raise Flaw(f"it has more than {MOST_NODES:,} parts")
        loops += isinstance(node, nodes.For)
        if depth > DEEPEST or loops > _DEEPEST_LOOPS:
            raise Flaw("it is nested too deeply", line=node.lineno)
        told = _refusal(node)
        if told is not None:
            raise Flaw(told, line=node.lineno)
        waiting += [(each, depth + 1, loops) for each in node.iter_child_nodes()]


def _refusal(node: nodes.Node) -> str | None:
    """Why the node can't be in a template, looked at by itself."""
    if not isinstance(node, _ALLOWED):
        name = type(node).__name__
        return _CALLED.get(name, f"`{name.lower()}` isn't offered in templates")
    match node:
        case nodes.Name(name=name) if name in _NO_NAMES or name.startswith("_"):
            return f"there is no `{name[:50]}` in templates"
        case nodes.Getattr(attr=name) if name.startswith("_"):
            return f"`.{name[:50]}` isn't a member that templates can see"
        case nodes.Const(value=int() | float() as value) if not abs(value) <= _LARGEST:
            return "a number in it is too large"
        case nodes.Filter(name=name) if name not in FILTERS:
            return f"there is no filter `{name[:50]}`; there are {', '.join(FILTERS)}"
        case nodes.Test(name=name) if name not in TESTS:
            return f"there is no test `{name[:50]}`; there are {', '.join(TESTS)}"
        case nodes.For(recursive=True):
            return "loops can't be recursive"
        case nodes.Call() if not _may_be_called(node.node):
            return "only macros, `range` and `loop.cycle` can be called; of a text or a list use a filter"
    if getattr(node, "dyn_args", None) is not None or getattr(node, "dyn_kwargs", None) is not None:
        return "arguments can't be unpacked by `*` or `**`"
    return None


def _may_be_called(node: nodes.Node) -> bool:
    if isinstance(node, nodes.Getattr):
        return node.attr == "cycle" and isinstance(node.node, nodes.Name) and node.node.name == "loop"
    return isinstance(node, nodes.Name)


def rewritten(tree: nodes.Template) -> nodes.Template:
    """The tree, which was `check`ed, with its costs in it."""
    changed: nodes.Template = _Costs().visit(tree)
    return changed


class _Costs(NodeTransformer):
    def visit_For(self, node: nodes.For) -> nodes.For:  # noqa: N802  Jinja's name
        cost = _size([*node.body, *([node.test] if node.test else [])])
        self.generic_visit(node)
        node.iter = _filter(node.iter, EACH, nodes.Const(cost))
        return node

    def visit_Macro(self, node: nodes.Macro) -> nodes.Macro:  # noqa: N802  Jinja's name
        cost = _size(node.body)
        self.generic_visit(node)
        node.body.insert(0, nodes.Output([_filter(nodes.Const(cost), CHARGE)], lineno=node.lineno))
        return node

    def visit_Compare(self, node: nodes.Compare) -> nodes.Compare:  # noqa: N802  Jinja's name
        self.generic_visit(node)
        node.expr = _filter(node.expr, SCALAR)
        for each in node.ops:
            each.expr = _filter(each.expr, WITHIN if each.op in ("in", "notin") else SCALAR)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Filter:  # noqa: N802  Jinja's name
        self.generic_visit(node)
        return _filter(nodes.List(node.nodes, lineno=node.lineno), JOINED)


def _filter(node: nodes.Node, name: str, *args: nodes.Expr) -> nodes.Filter:
    return nodes.Filter(node, name, list(args), [], None, None, lineno=node.lineno)


def _size(body: list[Any]) -> int:
    """How many nodes are run each time, those of inner loops not counted: they count for themselves."""
    size, waiting = 1, list(body)
    while waiting:
        node = waiting.pop()
        size += 1
        if not isinstance(node, nodes.For | nodes.Macro):
            waiting += node.iter_child_nodes()
    return size
