"""Says a database's failure in words that tell what to do, and never its password."""

from __future__ import annotations

import sqlite3

from emma_core.backends import sqlite_file
from emma_core.backends.sql.connecting import Place
from emma_core.errors import CallerError, EmmaError, StoreError

_WHAT_TO_DO = (
    ("password authentication failed", "knows no such role and password; mend the address"),
    ("no password supplied", "wants a password; write it into the address"),
    ("no pg_hba.conf entry", "lets that role in from nowhere near here; mend its pg_hba.conf"),
    ("certificate", "shows no certificate that can be trusted ({reason}); name its authority with sslrootcert=FILE"),
    ("ssl", "speaks no TLS that holds ({reason}); turn TLS on at the server, or mend its certificate"),
    ("tls", "speaks no TLS that holds ({reason}); turn TLS on at the server, or mend its certificate"),
    ('alembic_version" does not exist', "holds no tables of Emma yet; run: emma db upgrade"),
    ('relation "', "lacks a table ({reason}); run: emma db upgrade"),
    ("alembic_version", "does not let this role in yet ({reason}); run: emma db upgrade"),
    ("permission denied", "refuses ({reason}); run emma db upgrade, or grant what is missing to the owner"),
    ("row-level security", "refused a row of another tenant ({reason}); nothing was written: report this"),
    ("does not exist", "lacks something ({reason}); create it, or mend the address"),
    ("too many connections", "takes no more connections; raise its limit, or put a pool before it"),
    ("remaining connection slots", "takes no more connections; raise its limit, or put a pool before it"),
    ("no space left", "has no room left on its disk; make room, then try again"),
    ("read-only transaction", "is a copy that cannot be written; name the one that can"),
)
_AWAY = "is not reached ({reason}); check that it runs, and its host and port"


def explained(error: BaseException, place: Place) -> BaseException:
    """The error in words that say what to do; what is already in such words, or is no database's matter, stays."""
    driver = getattr(error, "orig", None) or error  # SQLAlchemy keeps the driver's own error there
    if isinstance(driver, EmmaError):
        return driver
    if place.path is not None and isinstance(driver, sqlite3.Error | UnicodeEncodeError | OverflowError):
        return sqlite_file.explained(driver, place.path)
    if isinstance(driver, UnicodeEncodeError | OverflowError) or _unfit(driver):
        return CallerError(f"Database {place.shown!r} cannot keep such a value ({_line(driver, place)}); change it")
    if type(driver).__module__.partition(".")[0] not in ("psycopg", "psycopg_pool", "sqlalchemy"):
        return error
    reason = _line(driver, place)
    sentence = next((words for sign, words in _WHAT_TO_DO if sign in reason.lower()), None)
    if sentence is None:
        lost = type(driver).__name__ in _LOST
        sentence = _AWAY if lost else "failed ({reason}); look into its log"
    return StoreError(f"Database {place.shown!r} {sentence.format(reason=reason)}")


_LOST = {"OperationalError", "ConnectionTimeout", "AdminShutdown", "CrashShutdown", "CannotConnectNow", "PoolTimeout"}
_LOST |= {"InterfaceError", "IdleInTransactionSessionTimeout", "TimeoutError", "PoolClosed"}


def _unfit(error: BaseException) -> bool:
    """Whether the value could not be kept: a number out of range, a NUL in a text, a name too long."""
    unfit = ("DataError", "ProgramLimitExceeded")  # the second: a name too long for an index
    return any(kind.__module__.startswith("psycopg") and kind.__name__ in unfit for kind in type(error).__mro__)


def _line(error: BaseException, place: Place) -> str:
    """What the driver said, in one line, its last attempt first."""
    text = " ".join(str(error).split()) or type(error).__name__
    password = place.libpq.get("password", "")
    return (text.replace(password, "***") if len(password) > 5 else text)[:300]
