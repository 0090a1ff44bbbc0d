"""Finds, makes and opens the tables that DBOS keeps jobs in."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from emma_core.backends.sql import explaining
from emma_core.backends.sql.connecting import Place, psycopg
from emma_core.errors import EmmaError, MissingExtra, OperatorError, StoreError

SCHEMA = "emma_jobs"
"""The schema in PostgreSQL; in SQLite the file is its own."""
NAME = "emma"
"""How DBOS knows the application, and its queue."""
VERSION = "1"
"""The form of a job's input. DBOS would take a hash of our source, and leave jobs of an earlier release lying."""
_LOG = logging.getLogger("emma")
_AWAY = ("DBOS__CLOUD", "DBOS__CONDUCTOR_KEY", "DBOS__OTLP_TRACES_ENDPOINT", "DBOS__OTLP_LOGS_ENDPOINT")
"""Variables by which DBOS would tell somebody else of the jobs."""


def library() -> Any:
    """The library. Raises `MissingExtra` where it is not installed, `OperatorError` where it would tell others."""
    if told := next((name for name in _AWAY if os.environ.get(name)), None):
        raise OperatorError(f"Variable {told} would let DBOS tell another machine of the jobs; unset it")
    try:
        import dbos
    except ImportError as error:
        raise MissingExtra("Durable jobs", "durable") from error
    logger = logging.getLogger("dbos")
    logger.setLevel(logging.ERROR)
    if not any(isinstance(each, _Told) for each in logger.handlers):
        logger.handlers = [_Told()]  # where there is one, DBOS adds none that writes to the console
    return dbos


class _Told(logging.Handler):
    """What DBOS complains of is told as Emma's own, without what an error says: it may quote what a job read."""

    def emit(self, record: logging.LogRecord) -> None:
        """It is logged."""
        kind = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else ""
        _LOG.error("jobs: DBOS says: %s%s", record.getMessage(), f" ({kind})" if kind else "")


def there(place: Place) -> bool:
    """Whether the tables have been made; asks nothing of DBOS. Raises `StoreError` where the server is away."""
    if place.path is not None:
        return place.path.exists()
    with explained(place), psycopg().connect(**place.libpq, autocommit=True) as connection:
        return bool(connection.execute(f"SELECT to_regclass('{SCHEMA}.workflow_status') IS NOT NULL").fetchone()[0])


def make(place: Place, owner: Place | None = None) -> str:
    """The tables are of this release's form; what was done. Raises `StoreError` or `MissingExtra`."""
    dbos = library()
    if place.path is not None:
        return _make_file(dbos, place)
    if owner is None:
        raise StoreError(
            f"Jobs at {place.shown!r}: only the owner makes their tables; put that role's address in"
            " EMMA_DATABASE_OWNER, then run: emma db upgrade"
        )
    if [owner.libpq[part] for part in ("host", "port", "dbname")] != [
        place.libpq[part] for part in ("host", "port", "dbname")
    ]:
        raise StoreError(
            f"EMMA_DATABASE_OWNER {owner.shown!r} is not in the database of {place.shown!r}; name the same database"
        )
    from sqlalchemy import URL

    said = dict(owner.libpq)
    url = URL.create(
        "postgresql",
        username=said.pop("user"),
        password=said.pop("password", None),
        host=said.pop("host"),
        port=int(said.pop("port")),
        database=said.pop("dbname"),
        query=said,
    ).render_as_string(hide_password=False)
    with explained(owner):
        dbos.DBOS.migrate(url, schema=SCHEMA, application_role=place.role)
    return f"jobs in {place.shown} schema {SCHEMA} are in the form of DBOS {_version()}"


def _make_file(dbos: Any, place: Place) -> str:
    assert place.path is not None
    with explained(place):
        try:
            place.path.parent.mkdir(parents=True, exist_ok=True)
            place.path.touch(mode=0o600)
        except OSError as error:
            raise StoreError(
                f"Jobs: {str(place.path)!r} cannot be made: {error.strerror}; name a place that can be written in"
                " EMMA_JOBS"
            ) from error
        with sqlite3.connect(place.path) as connection:
            connection.execute("PRAGMA journal_mode = WAL")  # whoever looks does not wait for whoever works
        connection.close()
        dbos.DBOS.migrate(f"sqlite:///{place.path}")
    return f"jobs in {place.path} are in the form of DBOS {_version()}"


class Opened:
    """A client of tables that are there."""

    def __init__(self, place: Place) -> None:
        """Raises `StoreError` where they cannot be used."""
        dbos = library()
        self._database = Database(place)
        try:
            with explained(place):
                self.client: Any = dbos.DBOSClient(
                    **self._database.told,
                    dbos_system_schema=SCHEMA,
                    serializer=serializer(),
                    application_name=NAME,
                    retry_connection_errors=False,
                )
        except BaseException:
            self._database.close()
            raise

    def close(self) -> None:
        """Nothing is held."""
        self.client.destroy()
        self._database.close()


def configured(executor: str, database: Database) -> dict[str, Any]:
    """What a worker's DBOS is told."""
    said = {"name": NAME, "application_version": VERSION, "executor_id": executor, "dbos_system_schema": SCHEMA}
    quiet = {"run_migrations": False, "enable_otlp": False, "log_level": "ERROR"}
    return {**said, **quiet, "serializer": serializer(), **database.told}


def serializer() -> Any:
    """JSON that any language reads; DBOS by itself would pickle."""
    from dbos._serialization import DBOSPortableJSONSerializer

    return DBOSPortableJSONSerializer()


class Database:
    """How DBOS reaches its tables: a file by its address, a server by an engine of ours."""

    def __init__(self, place: Place) -> None:
        self.told: dict[str, Any] = {"system_database_url": f"sqlite:///{place.path}"}
        """What DBOS is told of it."""
        self._engine: Any = None
        self._closed = False
        if place.path is not None:
            return
        psycopg()
        from sqlalchemy import create_engine, event

        self._engine = create_engine("postgresql+psycopg://", connect_args=dict(place.libpq), pool_pre_ping=True)
        event.listen(self._engine, "checkin", self._given_back)
        self.told = {"system_database_engine": self._engine}

    def close(self) -> None:
        """No connection is held, nor will one be; DBOS closes none of an engine that it was given."""
        self._closed = True
        if self._engine is not None:
            self._engine.dispose()

    def _given_back(self, connection: Any, record: Any) -> None:
        if self._closed and connection is not None:  # by a thread of DBOS, after all others were closed
            connection.close()


@contextmanager
def explained(place: Place) -> Iterator[None]:
    """What fails within is said in words that tell what to do."""
    try:
        yield
    except EmmaError:
        raise
    except Exception as error:
        said = explaining.explained(error, place)
        if said is error and type(error).__module__.partition(".")[0] == "dbos":
            words = " ".join(str(error).split())[:300]
            do = "; run: emma db upgrade" if type(error).__name__ == "DBOSInitializationError" else ""
            said = StoreError(f"Jobs at {place.shown!r}: DBOS says: {words}{do}")
        if said is error:
            raise
        raise said from error


def _version() -> str:
    from importlib.metadata import version

    return version("dbos")
