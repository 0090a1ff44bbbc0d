"""Emma runs AI agents that must follow an industry's rules, and proves afterwards that they did."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emma_core.backends.readers.lines import Fault, read_lines
    from emma_core.content import content_of
    from emma_core.errors import (
        AuthorError,
        BlueprintError,
        CallerError,
        Conflict,
        EmmaError,
        Forbidden,
        MissingExtra,
        ModelError,
        NotFound,
        OperatorError,
        PackError,
        RuleError,
        StoreError,
        TrailError,
    )
    from emma_core.hookspecs import hookimpl
    from emma_core.house import Desk, Emma
    from emma_core.nouns import (
        Answer,
        Ask,
        AuditEvent,
        Batches,
        Blueprint,
        Caller,
        CheckEvent,
        Citation,
        Decision,
        Docket,
        Extracted,
        Fact,
        Finding,
        Need,
        Override,
        OverrideTemplate,
        Problem,
        Report,
        Rule,
        RuleSet,
        Source,
        Span,
        Table,
        Tenant,
        Turn,
        TurnEvent,
        Value,
    )
    from emma_core.rules import Function
    from emma_core.settings import Settings

_HOMES = {
    "emma_core.backends.readers.lines": ("Fault", "read_lines"),
    "emma_core.content": ("content_of",),
    "emma_core.errors": (
        "AuthorError",
        "BlueprintError",
        "CallerError",
        "Conflict",
        "EmmaError",
        "Forbidden",
        "MissingExtra",
        "ModelError",
        "NotFound",
        "OperatorError",
        "PackError",
        "RuleError",
        "StoreError",
        "TrailError",
    ),
    "emma_core.hookspecs": ("hookimpl",),
    "emma_core.nouns": (
        "Answer",
        "Ask",
        "AuditEvent",
        "Batches",
        "Blueprint",
        "Caller",
        "CheckEvent",
        "Citation",
        "Decision",
        "Docket",
        "Extracted",
        "Fact",
        "Finding",
        "Need",
        "Override",
        "OverrideTemplate",
        "Problem",
        "Report",
        "Rule",
        "RuleSet",
        "Source",
        "Span",
        "Table",
        "Tenant",
        "Turn",
        "TurnEvent",
        "Value",
    ),
    "emma_core.rules": ("Function",),
    "emma_core.house": ("Desk", "Emma"),
    "emma_core.settings": ("Settings",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Answer",
    "Ask",
    "AuditEvent",
    "AuthorError",
    "Batches",
    "Blueprint",
    "BlueprintError",
    "Caller",
    "CallerError",
    "CheckEvent",
    "Citation",
    "Conflict",
    "Decision",
    "Desk",
    "Docket",
    "Emma",
    "EmmaError",
    "Extracted",
    "Fact",
    "Fault",
    "Finding",
    "Forbidden",
    "Function",
    "MissingExtra",
    "ModelError",
    "Need",
    "NotFound",
    "OperatorError",
    "Override",
    "OverrideTemplate",
    "PackError",
    "Problem",
    "Report",
    "Rule",
    "RuleError",
    "RuleSet",
    "Settings",
    "Source",
    "Span",
    "StoreError",
    "Table",
    "Tenant",
    "TrailError",
    "Turn",
    "TurnEvent",
    "Value",
    "content_of",
    "hookimpl",
    "read_lines",
]


def __getattr__(name: str) -> Any:
    """The public name, its module imported at first use, so that `import emma_core` stays light."""
    if name not in _HOME:
        raise AttributeError(f"module 'emma_core' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    """The public names."""
    return list(__all__)
