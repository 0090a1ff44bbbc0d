"""Step four: what may be lifted, by whom, and in what words; and what a person's decision makes of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from emma_core import canonical, rules, wording
from emma_core.errors import CallerError, Conflict, Forbidden, StoreError
from emma_core.nouns import Ask, Caller, Document, Finding, Override, OverrideState, OverrideTemplate, Value

KIND = "override"
"""The kind of the documents that hold overrides as they stand."""


def suggest(
    finding: Finding,
    rule: rules.CompiledRule,
    template: OverrideTemplate,
    *,
    values: Mapping[str, Value],
    ask: Ask,
    caller: str,
    now: datetime,
) -> Override:
    """The suggestion to lift a failed finding, bound to the conversation, the rule's hash and what the rule read."""
    read = {name: values[name] for name in rule.specs if name in values}
    spoken = {"rule": rule.rule.plain(), "finding": finding.plain(), "values": read}
    bound: dict[str, Any] = {
        "conversation": ask.conversation,
        "subject": ask.subject,
        "rule_hash": rule.hash,
        "template": template.id,
        "values": {name: _exact(value) for name, value in read.items()},
    }
    return Override(
        id=canonical.sha256(bound),
        rule=rule.rule.id,
        rule_hash=rule.hash,
        template=template.id,
        title=template.title,
        message=finding.message,
        words=wording.render(template.words, spoken),
        values=read,
        granted_by=template.granted_by,
        requires=template.requires,
        four_eyes=template.four_eyes,
        holds_for=template.expires,
        conversation=ask.conversation,
        subject=ask.subject,
        asked_by=caller,
        suggested_at=now.isoformat(),
    )


def standing(override: Override, now: datetime) -> Override:
    """The override as it stands now: a grant whose days are over has expired."""
    if override.state == "granted" and override.expires_at and datetime.fromisoformat(override.expires_at) <= now:
        return override.model_copy(update={"state": "expired"})
    return override


def mark(finding: Finding, override: Override) -> Finding:
    """The finding with the state of its override."""
    state = OverrideState(
        template=override.template, state=override.state, id=override.id, granted_by=override.decided_by
    )
    return finding.model_copy(update={"override": state})


def decide(
    override: Override,
    decision: Literal["granted", "refused"],
    *,
    caller: Caller,
    askers: Collection[str],
    reasons: Mapping[str, str],
    now: datetime,
) -> Override:
    """The override as the caller decided it; `askers` are all who have asked for it.

    Raises `Forbidden` where the caller's roles do not reach, `Conflict` where it is decided already, and `CallerError`
    where something that the template requires is not written down.
    """
    override = standing(override, now)
    role = next((role for role in override.granted_by if role in caller.roles), None)
    if role is None:
        may = " or ".join(override.granted_by)
        raise Forbidden(f"Override {override.id[:12]!r}: user {caller.user!r} may not decide it; {may} may")
    if override.state in ("granted", "refused"):
        raise Conflict(f"Override {override.id[:12]!r} was {override.state} by {override.decided_by!r} already")
    if decision == "granted" and override.four_eyes and caller.user in askers:
        raise Forbidden(f"Override {override.id[:12]!r}: {caller.user!r} asked for it; another person must grant it")
    required = override.requires if decision == "granted" else ("reason",)
    for name in required:
        if not reasons.get(name, "").strip():
            raise CallerError(f"Override {override.id[:12]!r}: {name!r} is required; write it down")
    if strays := sorted(set(reasons) - {*override.requires, "reason"}):
        raise CallerError(f"Override {override.id[:12]!r}: no field {strays[0]!r}; there are {list(override.requires)}")
    expires = (now + timedelta(days=int(override.holds_for[1:-1]))).isoformat() if decision == "granted" else None
    return override.model_copy(
        update={
            "state": decision,
            "decided_by": caller.user,
            "decided_as": role,
            "decided_at": now.isoformat(),
            "expires_at": expires,
            "reasons": {name: text.strip() for name, text in reasons.items()},
        }
    )


def document(override: Override) -> Document:
    """The document that keeps an override."""
    return Document(
        kind=KIND, id=override.id, body=override.plain(), group=override.conversation, subject=override.subject
    )


def read(kept: Document) -> Override:
    """The override that a document keeps."""
    try:
        return Override.model_validate_json(canonical.text(kept.body))
    except ValueError as error:
        raise StoreError(f"Override {kept.id[:12]!r}: its document is damaged; restore it from a backup") from error


def sealed(said: Mapping[str, Any]) -> Override:
    """The override as a line of the trail says it."""
    return Override.model_validate_json(canonical.text(said))


def pick(documents: Iterable[Document], prefix: str) -> Document:
    """The one override whose id starts so. Raises `CallerError` where none or several do."""
    found = [each for each in documents if each.id.startswith(prefix)]
    if len(found) != 1 or len(prefix) < 6:
        said = "name at least 6 characters of its id" if len(prefix) < 6 else f"{len(found)} overrides start so"
        raise CallerError(f"No one override is {prefix!r}: {said}; `emma overrides list` shows them")
    return found[0]


def _exact(value: Value) -> Any:
    """The value as text that is the same for equal values."""
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    return list(value) if isinstance(value, tuple) else value if isinstance(value, bool) else str(value)
