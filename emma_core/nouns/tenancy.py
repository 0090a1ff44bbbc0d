"""What an installation knows of its customers: tenants, who works there, what they may, use and owe."""

from __future__ import annotations

from datetime import date
from typing import Annotated, ClassVar, Literal

from pydantic import AwareDatetime, Field, JsonValue

from emma_core.nouns.values import Id, Noun, Sha256, TenantId

TenantState = Literal["active", "suspended", "offboarded"]
DataClass = Literal["public", "internal", "confidential", "restricted"]
BlobKind = Literal["attachment", "export", "artifact", "checkpoint", "overflow"]

Name = Annotated[str, Field(min_length=1, max_length=200)]


class Tenant(Noun):
    """A customer's closed world."""

    id: TenantId
    title: str
    created_at: str
    state: TenantState = "active"
    """`suspended`: nothing may be asked or decided, all may be read. `offboarded`: nothing at all, until it is gone."""
    region: str = ""
    """Where its data must stay, in the cloud's own name, such as `westeurope`; empty: wherever the addresses are."""
    data_class: DataClass = "confidential"
    plan: str = ""
    state_since: str = ""
    """When it came into its state; empty: since it was created."""


class Registered(Noun):
    """A row of a tenant's registry, told from its siblings by its key."""

    KEY: ClassVar[tuple[str, ...]]
    """The fields that name it among the rows of its kind."""

    @property
    def key(self) -> tuple[str, ...]:
        """The values of its key, as text."""
        return tuple(str(getattr(self, name)) for name in self.KEY)


class Member(Registered):
    """A person or a program that may come to this tenant's door."""

    KEY = ("user",)
    user: Name
    title: str = ""
    since: AwareDatetime


class RoleAssignment(Registered):
    """A role that a member holds; with an end it is a permission for the time being (just in time)."""

    KEY = ("user", "role")
    user: Name
    role: Name
    given_by: Name
    given_at: AwareDatetime
    until: AwareDatetime | None = None
    """Past it the role is not held any more; None: until it is taken away."""
    reason: str = ""


class Subscription(Registered):
    """What a tenant has bought, and for how long."""

    KEY = ("id",)
    id: Name
    plan: Name
    starts_on: date
    ends_on: date | None = None
    """Inclusive; None: until it is ended."""
    limits: dict[str, int] = {}
    """By counter, such as `turns`, how many a calendar month may hold."""


class Setting(Registered):
    """One setting of a tenant's own, over the installation's; those named `overrides.…` are the override settings."""

    KEY = ("name",)
    name: Id
    value: JsonValue
    set_by: Name
    set_at: AwareDatetime


class ModelDeployment(Registered):
    """A model as this tenant reaches it; versions are never changed, one of them is in use."""

    KEY = ("name", "version")
    name: Name
    version: Annotated[int, Field(ge=1)]
    address: Name
    """As `EMMA_MODEL` is written, such as `azure_openai:gpt-4o`."""
    in_use: bool = False
    added_at: AwareDatetime


class ApiKey(Registered):
    """A key that a program shows at the door: known by its hash, never by itself."""

    KEY = ("id",)
    id: Name
    """The part of the key that may be shown."""
    hash: Sha256
    """SHA-256 over the whole key, which holds at least 256 random bits."""
    user: Name
    roles: tuple[str, ...] = ()
    made_at: AwareDatetime
    until: AwareDatetime | None = None


class Erasure(Registered):
    """One line of the erasure ledger: who was forgotten, by hash, so that a restored backup forgets them again."""

    KEY = ("id",)
    id: Name
    subject_hash: Sha256
    at: AwareDatetime
    by: Name
    reason: str = ""


class UsageCount(Noun):
    """How much of one thing a tenant used on one day (UTC)."""

    day: date
    counter: Name
    """Such as `turns`, `checks`, `input_tokens`, `output_tokens`."""
    amount: int


class IdempotencyKey(Noun):
    """A request that was seen before: what it was, and what came of it."""

    key: Name
    fingerprint: Sha256
    """SHA-256 over what was sent; the same key with another fingerprint is another request, and refused."""
    result: JsonValue = None
    """What came of it; None while it is under way."""
    until: AwareDatetime
    """Past it the key may be used again."""


class BlobRef(Noun):
    """A piece of content by its hash."""

    kind: BlobKind
    sha256: Sha256
    size: int
    """Bytes."""
    name: str = ""
    """What people call it, such as a file's name."""
    keep_until: AwareDatetime | None = None
    """Before it nobody may delete it, where the account can hold to that."""
