"""Everything Emma raises, named after who has to act next.

    EmmaError
    ├── CallerError        the one who asks changes what was sent
    │   ├── NotFound       there is no such thing for this caller
    │   ├── Forbidden      this caller's roles do not reach that far
    │   └── Conflict       somebody else was faster: read again, then write
    ├── AuthorError        the author of a rule, template, blueprint or pack mends it
    │   ├── RuleError      a rule refuses to load
    │   ├── BlueprintError a blueprint refuses to load or to run
    │   └── PackError      a pack is missing, unhealthy or of another version
    └── OperatorError      whoever runs this installation acts
        ├── StoreError     a store cannot be opened, read or written
        ├── TrailError     a trail does not hold what it should
        ├── ModelError     a model does not answer
        └── MissingExtra   an optional dependency is not installed

A text says what, where, and what to do; names stand in quotes, and secrets are masked. A failed or broken rule is
no error but a `Finding`.
"""

from __future__ import annotations

from typing import ClassVar

from emma_core import redaction


class EmmaError(Exception):
    """Something stopped, and somebody can act on it."""

    status: ClassVar[int] = 500
    """The HTTP status that a web door answers with."""

    def __str__(self) -> str:
        return redaction.mask(super().__str__())


class CallerError(EmmaError):
    """The one who asks changes what was sent."""

    status = 400


class NotFound(CallerError):
    """There is no such thing for this caller; whether another tenant has it is never told."""

    status = 404


class Forbidden(CallerError):
    """This caller's roles do not reach that far."""

    status = 403


class Conflict(CallerError):
    """Somebody else was faster: read again, then write."""

    status = 409


class AuthorError(EmmaError):
    """The author of a rule, template, blueprint or pack mends it."""

    status = 422


class RuleError(AuthorError):
    """A rule refuses to load."""


class BlueprintError(AuthorError):
    """A blueprint refuses to load or to run."""


class PackError(AuthorError):
    """A pack is missing, unhealthy or of another version."""


class OperatorError(EmmaError):
    """Whoever runs this installation acts."""

    status = 503


class StoreError(OperatorError):
    """A store cannot be opened, read or written."""


class TrailError(OperatorError):
    """A trail does not hold what it should."""

    status = 500


class ModelError(OperatorError):
    """A model does not answer."""

    status = 502


class MissingExtra(OperatorError):
    """An optional dependency is not installed; the text names the command that installs it."""

    status = 501

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs a part that is not installed; run: pip install 'emma-core[{extra}]'")
