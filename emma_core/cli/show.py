"""Puts values on the screen: tables for people, JSON for programs, and nothing that could fool a terminal."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Literal, TextIO, cast

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

Format = Literal["text", "json", "jsonl"]

NARROW = 60
"""Columns below which columns are told below each other, so that no word breaks."""

_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff]"
)


def screen(*, plain: bool = False, stderr: bool = False) -> Console:
    """A console of the terminal's width, or 80 columns; what it is given is text and never markup."""
    stream = sys.stderr if stderr else sys.stdout
    terminal = False if plain else None
    trimmed = cast(TextIO, _Trimmed(stream))
    return Console(highlight=False, markup=False, emoji=False, file=trimmed, force_terminal=terminal)


def visible(text: str) -> str:
    """The text with control characters, and those that nobody sees, written as their numbers."""
    return _UNSEEN.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


def value(said: object) -> str:
    """A fact's value as people write it."""
    if isinstance(said, bool):
        return "yes" if said else "no"
    if isinstance(said, Decimal):
        return format(said.normalize(), "f")
    if isinstance(said, date):
        return said.isoformat()
    if isinstance(said, tuple | list):
        return ", ".join(map(visible, said)) or "(none)"
    text = visible(str(said))
    return text if len(text) <= 60 else f"{text[:59]}…"


def many(count: int, noun: str) -> str:
    """So many of a thing: `1 rule`, `2 rules`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def data(said: Any, *, indent: int | None = 2, out: TextIO | None = None) -> None:
    """The value stands on stdout as JSON, or on `out`."""
    stream = out or sys.stdout
    wide = (stream.encoding or "").lower().replace("-", "") == "utf8"
    text = json.dumps(said, ensure_ascii=not wide, indent=indent)
    # JSON may say any character by its number, and a terminal obeys some of those that it leaves as they are
    stream.write(_UNSEEN.sub(_escaped, text) + "\n")


def _escaped(found: re.Match[str]) -> str:
    character = found.group()
    return json.dumps(character)[1:-1] if character not in "\r\x7f" else f"\\u{ord(character):04x}"


def listed(plain: Iterable[Mapping[str, Any]], format: Format) -> bool:
    """True where the list was for a program, and stands on stdout."""
    if format == "json":
        data(list(plain))
    elif format == "jsonl":
        for each in plain:
            data(each, indent=None)
    return format != "text"


class Fitted:
    """What is laid out in one way on a wide screen, and in another on a narrow one."""

    def __init__(self, wide: RenderableType, narrow: RenderableType) -> None:
        self._wide = wide
        self._narrow = narrow

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The layout that fits the width there is."""
        yield self._narrow if options.max_width < NARROW else self._wide


def table(*columns: str | tuple[str, dict[str, Any]], rows: Iterable[Sequence[str | Text]]) -> Fitted:
    """A table without lines; a column is its title, or its title and Rich's settings for it. Narrow: row by row."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    titles = []
    for column in columns:
        title, settings = (column, {}) if isinstance(column, str) else column
        made.add_column(title, **{"overflow": "fold", **settings})
        titles.append(title)
    narrow: list[RenderableType] = []
    for row in rows:
        cells = [_cell(each) for each in row]
        made.add_row(*cells)
        for place, (title, cell) in enumerate(zip(titles, cells, strict=True)):
            told = Text(f"{title}: " if title and place else "", "dim").append_text(cell)
            narrow += [Padding(told, (0, 0, 0, 2 if place else 0))] if cell.plain else []
    return Fitted(made, Group(*narrow))


def field(name: str, *said: str | Text, style: str = "") -> Fitted:
    """A name with what there is to say of it beside it, one part a line. Narrow: below it."""
    made = Table.grid(padding=(0, 2, 0, 0))
    made.add_column(width=12, style="bold")
    made.add_column(overflow="fold")
    cells = [_cell(each, style) for each in said]
    for place, cell in enumerate(cells):
        made.add_row("" if place else name, cell)
    below = [Padding(cell, (0, 0, 0, 2)) for cell in cells]
    return Fitted(made, Group(*([Text(name, "bold")] if name else []), *below))


def _cell(said: str | Text, style: str = "") -> Text:
    """What may stand in a cell; a styled text that holds something unseen loses its style and not the sight of it."""
    if isinstance(said, Text) and not _UNSEEN.search(said.plain):
        return said
    return Text(visible(str(said)), style=style)


class _Trimmed:
    """A stream whose lines end where their words do: Rich fills a table's lines with spaces."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(re.sub(r" +(?=\n)", "", text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
