"""What every noun is made of: closed words, exact values, and the frozen model they share."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

Basis = Literal["given", "record", "extracted", "remembered"]
Outcome = Literal["passed", "failed", "undetermined", "broken"]
Severity = Literal["error", "warning", "info"]
VerdictWord = Literal["broken", "blocked", "needs_override", "needs_facts", "clear"]
Moment = Literal["ask", "answer", "record", "file", "tool_call", "tool_result", "document"]
FactType = Literal["text", "number", "date", "bool", "list"]
TrailKind = Literal[
    "judged",
    "acted",
    "suspended",
    "decided",
    "answered",
    "stopped",
    "checked",
    "published",
    "erased",
    "checkpointed",
]

Id = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*(\.[a-z0-9_]+)*$", max_length=200)]
"""A dotted lower-case path that reads well on a trail: `mortgage.lender_policy.dti_max`."""
FactName = Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]*$", max_length=80)]
TenantId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=63)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def _exact(value: object) -> object:
    """Numbers as exact decimals; `bool` stays what it is."""
    if isinstance(value, float | int) and not isinstance(value, bool):
        return Decimal(repr(value))
    return tuple(value) if isinstance(value, list) else value


def plain_value(value: object) -> object:
    """What JSON can say: a number wherever a float carries every digit, else its text."""
    if isinstance(value, Decimal):
        if value == value.to_integral_value():
            return int(value)
        return float(value) if Decimal(repr(float(value))) == value else str(value)
    if isinstance(value, date):
        return value.isoformat()
    return list(value) if isinstance(value, tuple) else value


Value = Annotated[
    bool | Decimal | date | str | tuple[str, ...],
    BeforeValidator(_exact),
    PlainSerializer(plain_value, when_used="json"),
    WithJsonSchema({"type": ["boolean", "number", "string", "array"], "items": {"type": "string"}}),
]
"""A fact's value: `bool`, exact `Decimal` (6 places), `date`, `str` or a tuple of `str`."""


class Noun(BaseModel):
    """A frozen value with strict types and no unknown keys; absent keys are left out of its JSON."""

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="forbid",
        use_attribute_docstrings=True,
        allow_inf_nan=False,
        populate_by_name=True,
        serialize_by_alias=True,
    )

    def plain(self) -> dict[str, Any]:
        """The JSON value: keys that hold nothing are left out."""
        return self.model_dump(mode="json", exclude_none=True)
