"""Draws all that is held of a person as one page that they can read, and that needs nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from html import escape
from string import Template
from typing import Any

from emma_core.cli.show import many, visible
from emma_core.subjects import Held

_KINDS = {
    "judged": "You asked; this was found before anything was answered",
    "acted": "A tool was called for you",
    "suspended": "A tool call waited for somebody's decision",
    "decided": "Somebody decided on an exception for you",
    "answered": "You were answered",
    "stopped": "The answer was stopped",
}
_PAGE = Template("""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>What is held of $subject</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 48rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
h2 { margin-top: 2.5rem; border-bottom: 1px solid #ccc } h3 { margin: 1.5rem 0 .2rem; font-size: 1rem }
blockquote { margin: .5rem 0; padding: .3rem 1rem; border-left: 4px solid #888; white-space: pre-wrap }
table { border-collapse: collapse } td, th { padding: .15rem .8rem .15rem 0; text-align: left; vertical-align: top }
pre { background: #f5f5f5; padding: .5rem; overflow-x: auto; white-space: pre-wrap } small { color: #666 }
</style></head><body>
<h1>What is held of $subject</h1>
<p>By <b>$tenant</b>, as of $at: $counts. The file <code>subject.json</code> beside this page says the same for
programs, with the sealed line of each event and the salt by which it can be checked.</p>
$events
$documents
</body></html>
""")


def html(held: Held) -> str:
    """The page."""
    counts = f"{many(len(held.events), 'event')} and {many(len(held.documents), 'document')}"
    return _PAGE.substitute(
        subject=_text(held.subject),
        tenant=_text(held.tenant),
        at=_text(held.exported_at.isoformat(timespec="minutes")),
        counts=counts,
        events="\n".join(_conversations(held)),
        documents="\n".join(_documents(held)),
    )


def _conversations(held: Held) -> Iterator[str]:
    told: dict[str, list[str]] = {}
    for event in held.events:
        told.setdefault(event.conversation or "", []).append(
            f"<h3>{_text(_KINDS.get(event.kind, event.kind))}</h3><small>{_text(event.at)}, by user"
            f" {_text(event.caller)}, line {event.seq} of the trail</small>{''.join(_payload(event.payload))}"
        )
    for conversation, events in told.items():
        yield f"<h2>Conversation {_text(conversation)}</h2>" if conversation else "<h2>Outside of conversations</h2>"
        yield from events


def _payload(said: dict[str, Any]) -> Iterator[str]:
    """What the event holds: words as words, facts as a table, and all of it as it is kept."""
    ask, answer = said.get("ask"), said.get("answer")
    if isinstance(ask, dict):
        yield f"<blockquote>{_text(ask.get('words'))}</blockquote>"
    if isinstance(answer, dict):
        yield f"<blockquote>{_text(answer.get('text'))}</blockquote>"
    if isinstance(said.get("reason"), str):
        yield f"<p>{_text(said['reason'])}</p>"
    yield from _rows("Facts", said.get("facts"), ("name", "value", "basis"))
    yield from _rows("Found", said.get("findings"), ("rule", "outcome", "message"))
    yield f"<details><summary>All of it</summary><pre>{_json(said)}</pre></details>"


def _rows(title: str, said: Any, names: tuple[str, ...]) -> Iterator[str]:
    rows = [each for each in said if isinstance(each, dict)] if isinstance(said, list) else []
    if rows:
        cells = "".join(_row("td", (each.get(name, "") for name in names)) for each in rows)
        yield f"<table><caption><b>{title}</b></caption>{_row('th', names)}{cells}</table>"


def _row(cell: str, said: Iterable[Any]) -> str:
    return f"<tr>{''.join(f'<{cell}>{_text(each)}</{cell}>' for each in said)}</tr>"


def _documents(held: Held) -> Iterator[str]:
    if held.documents:
        yield "<h2>Kept to work with</h2>"
    for each in held.documents:
        yield f"<h3>{_text(each['kind'])} {_text(each['id'])}</h3><pre>{_json(each['body'])}</pre>"


def _json(said: Any) -> str:
    return _text(json.dumps(said, indent=2, ensure_ascii=False, sort_keys=True))


def _text(said: Any) -> str:
    return escape("\n".join(visible(line) for line in str(said).split("\n")))
