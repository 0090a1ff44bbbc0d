"""Step four: what may be lifted, by whom, and in what words; and what a person's decision makes of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, Protocol

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
    return Override(
        id=bind({"conversation": ask.conversation, "subject": ask.subject}, rule, read),
        rule=rule.rule.id,
        rule_hash=rule.hash,
        template=template.id,
        title=template.title,
        message=finding.message,
        words=words_of(template, finding, rule, read),
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


def bind(where: Mapping[str, Any], rule: rules.CompiledRule, read: Mapping[str, Value]) -> str:
    """The id of an override: the hash of what it is bound to. `where`: what it is of, besides the rule and values."""
    bound = {"rule_hash": rule.hash, "template": rule.rule.override_template}
    return canonical.sha256({**where, **bound, "values": {name: _exact(value) for name, value in read.items()}})


def words_of(template: OverrideTemplate, finding: Finding, rule: rules.CompiledRule, read: Mapping[str, Value]) -> str:
    """What the template says of a finding to whoever decides on it."""
    return wording.render(template.words, {"rule": rule.rule.plain(), "finding": finding.plain(), "values": read})


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
    name = f"Override {override.id[:12]!r}"
    role = _role(name, override, caller)
    if override.state in ("granted", "refused"):
        raise Conflict(f"{name} was {override.state} by {override.decided_by!r} already")
    _may(name, override, decision, caller=caller, askers=askers, reasons=reasons)
    return override.model_copy(update={"state": decision, **_decided(override, decision, role, caller, reasons, now)})


class Liftable(Protocol):
    """What a decision is held against: the template's terms, as they were when it was suggested."""

    @property
    def granted_by(self) -> tuple[str, ...]:
        """Roles, any one of which may decide."""

    @property
    def requires(self) -> tuple[str, ...]:
        """What must be written down to grant it."""

    @property
    def four_eyes(self) -> bool:
        """Whether who asked may not grant."""

    @property
    def holds_for(self) -> str:
        """How long a grant holds."""


def authorise(
    name: str,
    terms: Liftable,
    decision: Literal["granted", "refused"],
    *,
    caller: Caller,
    askers: Collection[str],
    reasons: Mapping[str, str],
    now: datetime,
) -> dict[str, Any]:
    """Who decided, as what, when, until when and why; `name` begins the error where the caller may not, as `decide`."""
    role = _role(name, terms, caller)
    _may(name, terms, decision, caller=caller, askers=askers, reasons=reasons)
    return _decided(terms, decision, role, caller, reasons, now)


def _role(name: str, terms: Liftable, caller: Caller) -> str:
    role = next((role for role in terms.granted_by if role in caller.roles), None)
    if role is None:
        may = " or ".join(terms.granted_by)
        raise Forbidden(f"{name}: user {caller.user!r} may not decide it; {may} may")
    return role


def _may(
    name: str, terms: Liftable, decision: str, *, caller: Caller, askers: Collection[str], reasons: Mapping[str, str]
) -> None:
    if decision == "granted" and terms.four_eyes and caller.user in askers:
        raise Forbidden(f"{name}: {caller.user!r} asked for it; another person must grant it")
    required = terms.requires if decision == "granted" else ("reason",)
    for each in required:
        if not reasons.get(each, "").strip():
            raise CallerError(f"{name}: {each!r} is required; write it down")
    if strays := sorted(set(reasons) - {*terms.requires, "reason"}):
        raise CallerError(f"{name}: no field {strays[0]!r}; there are {list(terms.requires)}")


def _decided(
    terms: Liftable, decision: str, role: str, caller: Caller, reasons: Mapping[str, str], now: datetime
) -> dict[str, Any]:
    expires = (now + timedelta(days=int(terms.holds_for[1:-1]))).isoformat() if decision == "granted" else None
    return {
        "decided_by": caller.user,
        "decided_as": role,
        "decided_at": now.isoformat(),
        "expires_at": expires,
        "reasons": {name: text.strip() for name, text in reasons.items()},
    }


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
