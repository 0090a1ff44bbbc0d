"""Renders an author's words from values, in a template language too small to hang, grow or escape.

It is Jinja's sandbox less everything that loops, calls or multiplies, checked when a template is read: what is left
takes time and space in proportion to its own length.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any

from emma_core.errors import AuthorError

if TYPE_CHECKING:
    from jinja2.sandbox import ImmutableSandboxedEnvironment

FILTERS = ("default", "join", "lower", "percent", "upper")
LONGEST = 8_000


def check(words: str, names: Collection[str], *, where: str) -> None:
    """The words are a template that `render` accepts over these names. Raises `AuthorError` naming the place."""
    from jinja2 import TemplateSyntaxError, meta, nodes

    if len(words) > LONGEST:
        raise AuthorError(f"{where}: the words have {len(words)} characters; {LONGEST} is the most")
    try:
        tree = _environment().parse(words)
    except TemplateSyntaxError as error:
        raise AuthorError(f"{where}: words, line {error.lineno}: {error.message}") from error
    allowed = (
        nodes.Template,
        nodes.Output,
        nodes.TemplateData,
        nodes.Name,
        nodes.Getattr,
        nodes.Getitem,
        nodes.Const,
        nodes.Filter,
        nodes.If,
        nodes.CondExpr,
        nodes.Compare,
        nodes.Operand,
        nodes.And,
        nodes.Or,
        nodes.Not,
    )
    for node in tree.find_all(nodes.Node):
        if not isinstance(node, allowed):
            kind = type(node).__name__
            raise AuthorError(f"{where}: words, line {node.lineno}: {kind} is not allowed; use names, filters and if")
        if isinstance(node, nodes.Filter) and node.name not in FILTERS:
            raise AuthorError(f"{where}: words, line {node.lineno}: no filter {node.name!r}; there are {list(FILTERS)}")
        part = _part(node)
        if part.startswith("_"):
            raise AuthorError(f"{where}: words, line {node.lineno}: {part!r} is nothing that words may name")
    unknown = sorted(meta.find_undeclared_variables(tree) - set(names))
    if unknown:
        raise AuthorError(f"{where}: words: no name {unknown[0]!r}; there are {sorted(names)}")
    _render_once(words, where)


def render(words: str, values: Mapping[str, Any]) -> str:
    """The words with the values filled in; a value that is not there reads `unknown`. Raises `AuthorError`."""
    try:
        return str(_compiled(words).render(values))
    except Exception as error:  # the sandbox, or an operation that these values do not have
        said = " ".join(f"{type(error).__name__}: {error}".split())
        raise AuthorError(f"Words {words[:40]!r}… cannot be rendered: {said}; mend the template") from error


def _render_once(words: str, where: str) -> None:
    from jinja2 import UndefinedError

    try:
        _compiled(words).render({})
    except UndefinedError:
        return  # it reckons with a value that only a turn can bring
    except Exception as error:  # whatever an expression over constants raises
        raise AuthorError(f"{where}: words: they cannot be rendered: {type(error).__name__}: {error}") from error


def _part(node: Any) -> str:
    """The attribute or item that a node of the template names."""
    from jinja2 import nodes

    if isinstance(node, nodes.Getitem):
        return str(node.arg.value) if isinstance(node.arg, nodes.Const) else ""
    return str(node.attr) if isinstance(node, nodes.Getattr) else ""


@cache
def _environment() -> ImmutableSandboxedEnvironment:
    from jinja2 import Undefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Unknown(Undefined):
        """A value nobody has said: it prints as such, and its parts are as unknown."""

        def __str__(self) -> str:
            return "unknown"

        def __getattr__(self, name: str) -> Any:
            if name.startswith("__"):
                raise AttributeError(name)
            return self

    environment = ImmutableSandboxedEnvironment(undefined=Unknown, keep_trailing_newline=False)
    environment.globals.clear()
    environment.filters = {name: environment.filters[name] for name in FILTERS if name in environment.filters}
    environment.filters["percent"] = _percent
    environment.filters["join"] = _joined
    return environment


@cache
def _compiled(words: str) -> Any:
    return _environment().from_string(words)


def _percent(value: Any) -> str:
    """A ratio as people say it: 0.47 is 47%."""
    from jinja2 import Undefined

    if isinstance(value, Undefined | bool) or not isinstance(value, Decimal | int | float):
        return str(value)
    return f"{value * 100:f}".rstrip("0").rstrip(".") + "%"


def _joined(value: Any) -> str:
    """A list in words; with a separator of its own choosing a chain of these could grow without bound."""
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
