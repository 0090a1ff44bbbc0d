"""Keeps what a check suggests to lift until somebody decides: ids by rule, in few documents, under a sealed root."""

from __future__ import annotations

import itertools
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import IO, Any

from emma_core import audit, canonical, overrides
from emma_core.errors import NotFound, TrailError
from emma_core.nouns import Docket, Document, Finding, OverrideTemplate, Report
from emma_core.ports import TenantStore
from emma_core.rules import CompiledRule

KIND = "docket"
"""The kind of the documents that hold the ids of a docket, under its root: the same ids are kept once."""
KEPT = timedelta(days=120)
"""How long what was suggested can be decided; then the file is checked again."""
MOST = 500_000
"""How many findings a check keeps for a decision; the rest waits for the next check."""
_TOGETHER = 5_000
"""Entries of one document; another number would lay the same root out anew, so it stays."""
_IN_MEMORY = 1 << 20

Entry = tuple[str, int | None, str | None]
"""The id of an override, the record that it is of, and that one's key where an earlier release kept it."""


@dataclass
class _Pile:
    """What was suggested of one rule so far."""

    rule: CompiledRule
    template: OverrideTemplate
    message: str
    words: str
    entries: IO[str]
    tree: audit.MerkleTree = field(default_factory=audit.MerkleTree)


class Dockets:
    """Takes what is suggested, entry by entry, and holds little of it in memory."""

    def __init__(self, template: Callable[[str], OverrideTemplate]) -> None:
        self._template = template
        self._piles: dict[str, _Pile] = {}
        self._room = MOST

    def add(self, rule: CompiledRule, entry: Entry, values: Mapping[str, Any], told: Callable[[], Finding]) -> None:
        """The entry is the last of its rule; the words are those on the first of them."""
        if self._room <= 0:
            return
        pile = self._piles.get(rule.rule.id)
        if pile is None:
            finding = told()
            template = self._template(str(rule.rule.override_template))
            words = overrides.words_of(template, finding, rule, values)
            held = tempfile.SpooledTemporaryFile(_IN_MEMORY, "w+", encoding="utf-8", newline="\n")  # noqa: SIM115 - close() does
            pile = self._piles[rule.rule.id] = _Pile(rule, template, finding.message, words, held)
        self._room -= 1
        text = canonical.text(entry)
        pile.tree.add(text.encode())
        pile.entries.write(f"{text}\n")

    def of(self, report: Report) -> tuple[Docket, ...]:
        """The dockets of that report, in the order in which their rules failed first."""
        return tuple(_docket(pile, report) for pile in self._piles.values())

    def documents(self, now: datetime) -> Iterator[Document]:
        """The documents that keep every docket's entries, to be written before the check is sealed."""
        for pile in self._piles.values():
            pile.entries.seek(0)
            root, number = pile.tree.root(), 0
            while held := "".join(itertools.islice(pile.entries, _TOGETHER)):
                yield Document(
                    kind=KIND,
                    id=f"{root}-{number:05}",
                    group=root,
                    body={"entries": held},
                    expires_at=(now + KEPT).timestamp(),
                )
                number += 1

    def close(self) -> None:
        """Nothing is held."""
        for pile in self._piles.values():
            pile.entries.close()


async def entries(store: TenantStore, docket: Docket) -> list[Entry]:
    """The entries of a sealed docket. Raises `NotFound` where they are kept no more, `TrailError` where others lie
    there than were sealed."""
    held: list[Entry] = []
    last, tree = "", audit.MerkleTree()
    while page := await store.query(KIND, group=docket.root, after=last, limit=20):
        for document in page:
            for line in str(document.body["entries"]).removesuffix("\n").split("\n"):
                id, record, key = json.loads(line)
                held.append((id, record, key))
                tree.add(line.encode())
        last = page[-1].id
    if not held:
        raise NotFound(
            f"Check {docket.report!r}: what it suggested is kept {KEPT.days} days, and they are over; check again"
        )
    if tree.root() != docket.root or tree.size != docket.count:
        raise TrailError(f"Check {docket.report!r}: what lies in the store for {docket.rule!r} is not what was sealed")
    return held


def _docket(pile: _Pile, report: Report) -> Docket:
    return Docket(
        report=report.id,
        file=report.file,
        rule=pile.rule.rule.id,
        rule_hash=pile.rule.hash,
        ruleset=f"{pile.rule.ruleset.ruleset}@{pile.rule.ruleset.edition}",
        template=pile.template.id,
        title=pile.template.title,
        message=pile.message,
        words=pile.words,
        granted_by=pile.template.granted_by,
        requires=pile.template.requires,
        four_eyes=pile.template.four_eyes,
        holds_for=pile.template.expires,
        count=pile.tree.size,
        root=pile.tree.root(),
        asked_by=report.caller,
        suggested_at=report.checked_at.isoformat(),
    )
