"""Plays the demo's story through the whole house, in a store that is gone afterwards."""

from __future__ import annotations

import io
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from emma_core import audit, settings, shipped
from emma_core.errors import Forbidden, OperatorError
from emma_core.house import Emma
from emma_core.nouns import AuditEvent, Noun, Override, Turn


class Person(Noun):
    """Somebody in the story."""

    user: str
    title: str
    role: str = ""


class Change(Noun):
    """What somebody changes on a copy of the trail."""

    from_: str
    to: str


class Scenes(Noun):
    """The words of the trade that each scene needs, for who has never heard them."""

    asked: str
    rules: str
    compared: str
    decided: str
    proved: str


class Story(Noun):
    """One question, asked by one person, lifted by another."""

    blueprint: str
    title: str
    opening: str
    words: str
    facts: dict[str, JsonValue]
    asked_by: Person
    decided_by: Person
    reasons: dict[str, str]
    change: Change
    scenes: Scenes


@dataclass(frozen=True)
class Played:
    """All that came of it."""

    story: Story
    first: Turn
    refusal: str
    """What the one who asked was told when they tried to grant it."""
    decided: Override
    second: Turn
    events: tuple[AuditEvent, ...]
    """The whole trail."""
    verified: audit.Verification
    tampered: audit.Verification
    """What verifying a copy came to, in which one byte was changed."""


def read() -> Story:
    """The story that ships beside the blueprints. Raises `OperatorError` where none does."""
    stories = sorted((shipped.register_content()[1] / "stories").glob("*.json"))
    if not stories:
        raise OperatorError("The demo's story is not installed; install emma-core again")
    raw = json.loads(stories[0].read_text(encoding="utf-8"))
    raw["change"] = {"from_": raw["change"]["from"], "to": raw["change"]["to"]}
    return Story.model_validate_json(json.dumps(raw))


async def play(story: Story) -> Played:
    """The story as it really went. Raises `OperatorError` where the demo's own pack does not do what it should."""
    with tempfile.TemporaryDirectory(prefix="emma-demo-", ignore_cleanup_errors=True) as folder:
        chosen = settings.load(
            store=f"sqlite:///{folder}/demo.db", database="", index="memory:", model="offline:", blueprints=None
        )
        async with Emma.open(chosen) as emma:
            return await _played(story, emma, Path(folder))


async def _played(story: Story, emma: Emma, folder: Path) -> Played:
    asking = emma.tenant("default", user=story.asked_by.user)
    deciding = emma.tenant("default", user=story.decided_by.user, roles=[story.decided_by.role])
    first = await asking.ask(story.blueprint, story.words, facts=story.facts)
    if not first.overrides:
        raise OperatorError(f"The demo's question came out as {first.verdict!r}; run: emma packs check")
    try:
        await asking.decide(first.overrides[0].id, "granted", reasons=story.reasons)
        raise OperatorError("The demo's override was granted to somebody who may not; run: emma packs check")
    except Forbidden as error:
        refusal = str(error)
    decided = await deciding.decide(first.overrides[0].id, "granted", reasons=story.reasons)
    second = await asking.ask(story.blueprint, story.words, facts=story.facts, conversation=first.ask.conversation)
    trail = await asking.trail()
    lines = await trail.lines()
    out = io.StringIO()
    await audit.export_trail(trail, out)
    return Played(
        story=story,
        first=first,
        refusal=refusal,
        decided=decided,
        second=second,
        events=tuple(audit.read(line) for line in lines),
        verified=await audit.verify_trail(trail),
        tampered=_tampered(out.getvalue(), story.change, folder / "copy.jsonl"),
    )


def _tampered(export: str, change: Change, copy: Path) -> audit.Verification:
    """What verifying the export comes to once the first place that says one thing says another."""
    copy.write_text(export.replace(change.from_, change.to, 1), encoding="utf-8")
    read = audit.read_export(copy)
    return audit.verify(read.lines(), tenant=read.tenant, head=read.head)
