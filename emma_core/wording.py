"""Renders an author's words from values, in a template language too small to hang, grow or escape.

It is Jinja's sandbox less everything that loops, calls or multiplies, checked when a template is read: what is left
takes time and space in proportion to its own length.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
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
    unknown = sorted(meta.find_undeclared_variables(tree) - set(names))
    if unknown:
        raise AuthorError(f"{where}: words: no name {unknown[0]!r}; there are {sorted(names)}")


def render(words: str, values: Mapping[str, Any]) -> str:
    """The words with the values filled in; a value that is not there reads `unknown`."""
    return str(_compiled(words).render(values))


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
    return environment


@cache
def _compiled(words: str) -> Any:
    return _environment().from_string(words)


def _percent(value: Any) -> str:
    """A ratio as people say it: 0.47 is 47%."""
    from jinja2 import Undefined

    return str(value) if isinstance(value, Undefined) else f"{value * 100:f}".rstrip("0").rstrip(".") + "%"
