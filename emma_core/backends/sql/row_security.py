"""Keeps a tenant's rows from every other on PostgreSQL: policies, the role's grants, and who may not start."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Literal

from emma_core.backends.sql.embedded import REVISION
from emma_core.errors import StoreError

Part = Literal["installation", "tenant"]
"""What a schema holds: the list of tenants, or the tables whose rows are theirs. `public` holds both, unless each
tenant has a schema of its own."""

INSTALLATION_SCHEMA = "public"
EVERY_TENANT = "*"
"""What no tenant can be called: it opens the reading of the list of tenants, and of nothing else."""

SPOKEN_FOR = "nullif(current_setting('app.tenant', true), '')"
"""The tenant that the transaction speaks for; NULL, and so equal to none, where nobody said."""
DEPARSED = "NULLIF(current_setting('app.tenant'::text, true), ''::text)"
"""The same as PostgreSQL says it when asked what a policy holds."""
BIND = "SELECT set_config('app.tenant', %s, true), set_config('search_path', %s, true)"
"""What every transaction says first, with the tenant and its `path`: for this transaction only, so that no pool, of
ours or between us and the server, hands it on."""


def schema_of(tenant: str, *, per_tenant: bool) -> str:
    """The schema that holds a tenant's tables."""
    if not per_tenant:
        return INSTALLATION_SCHEMA
    # no tenant's id starts with '_', so a shortened name is never another's whole one
    short = f"_{hashlib.sha256(tenant.encode()).hexdigest()[:40]}"
    return f"tenant_{tenant if len(tenant) <= 55 else short}"


def path(tenant: str, *, per_tenant: bool) -> str:
    """Where names are looked up in a transaction of that tenant; temporary tables come last and hide none."""
    own = schema_of(tenant, per_tenant=per_tenant and tenant != EVERY_TENANT)
    return f'"{own}", pg_temp' if own == INSTALLATION_SCHEMA else f'"{own}", {INSTALLATION_SCHEMA}, pg_temp'


# --- said by migrations; a statement that was ever released is never edited, so what changes gets a new name


def makes(op: Any, part: Part) -> bool:
    """Whether the schema that is being migrated holds that part."""
    from alembic import context

    return part in context.config.attributes["parts"]


def protect(op: Any, table: str) -> None:
    """No row of the table is read or written but by who speaks for its tenant, the table's owner included."""
    if op.get_bind().dialect.name != "postgresql":
        return
    op.execute(f'ALTER TABLE "{table}" ENABLE ROW LEVEL SECURITY')
    op.execute(f'ALTER TABLE "{table}" FORCE ROW LEVEL SECURITY')
    rule = f"tenant = {SPOKEN_FOR}"
    op.execute(f'CREATE POLICY of_tenant ON "{table}" USING ({rule}) WITH CHECK ({rule})')


def let_list(op: Any, table: str) -> None:
    """Who speaks for every tenant may read the rows of this table, and change none."""
    if op.get_bind().dialect.name == "postgresql":
        rule = f"current_setting('app.tenant', true) = '{EVERY_TENANT}'"
        op.execute(f'CREATE POLICY listed ON "{table}" FOR SELECT USING ({rule})')


def speak_as(op: Any, tenant: str) -> None:
    """The rest of the transaction speaks for that tenant."""
    if op.get_bind().dialect.name == "postgresql":
        op.get_bind().exec_driver_sql("SELECT set_config('app.tenant', %s, true)", (tenant,))


# --- asked when a database is opened

ROLE = f"""
SELECT r.rolname AS name, r.rolsuper AS super, r.rolbypassrls AS bypasses, c.relname AS owned, o.rolname AS owner
FROM pg_roles r LEFT JOIN (
    pg_class c JOIN pg_roles o ON o.oid = c.relowner JOIN pg_namespace n ON n.oid = c.relnamespace
  ) ON c.relkind IN ('r', 'p') AND (n.nspname = '{INSTALLATION_SCHEMA}' OR left(n.nspname, 7) = 'tenant_')
  AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant' AND NOT a.attisdropped)
  AND pg_has_role(r.oid, c.relowner, 'MEMBER')
WHERE r.rolname IN (session_user, current_user) ORDER BY super DESC, bypasses DESC, owned NULLS LAST LIMIT 1
"""
"""Who asks, and one table of tenants that this role owns or whose owner it may become; a row in any case."""


def breach(role: Mapping[str, Any]) -> str:
    """What the role does that row-level security does not hold; empty where it holds."""
    if role["super"]:
        return "is a superuser"
    if role["bypasses"]:
        return "bypasses row-level security"
    if role["owned"] and role["owner"] == role["name"]:
        return f"owns table {role['owned']!r}"
    return f"may become {role['owner']!r}, who owns table {role['owned']!r}," if role["owned"] else ""


def admit(role: Mapping[str, Any], address: str) -> None:
    """The role is one that row-level security holds. Raises `StoreError` where it is not."""
    if does := breach(role):
        raise StoreError(
            f"Database {address!r}: role {role['name']!r} {does} and would see every tenant's rows; name a role that is"
            " NOSUPERUSER, NOBYPASSRLS and no owner, and put the owner's address in EMMA_DATABASE_OWNER"
        )


FORM = f"""
SELECT version_num AS revision, to_regclass('{INSTALLATION_SCHEMA}.documents') IS NULL AS per_tenant,
  current_setting('server_encoding') AS encoding
FROM {INSTALLATION_SCHEMA}.alembic_version
"""
"""Which revision the tables are of, and whether each tenant has its own."""


def fit(form: Mapping[str, Any], address: str, *, per_tenant: bool) -> None:
    """The tables are those of this release, laid out as the address says. Raises `StoreError` where they are not."""
    if form["revision"] < REVISION:
        raise StoreError(
            f"Database {address!r} is of an earlier Emma (revision {form['revision']}, this one writes {REVISION});"
            " back it up, then run: emma db upgrade"
        )
    if form["revision"] > REVISION:
        raise StoreError(
            f"Database {address!r} was written by a newer Emma (revision {form['revision']}, this one knows up to"
            f" {REVISION}); upgrade emma-core"
        )
    lie(form["per_tenant"], address, per_tenant=per_tenant)
    if form["encoding"] != "UTF8":
        raise StoreError(f"Database {address!r} keeps text as {form['encoding']}; create it with ENCODING 'UTF8'")


def lie(apart: bool, address: str, *, per_tenant: bool) -> None:
    """The tables lie as the address says. Raises `StoreError` where they do not."""
    if apart != per_tenant:
        has, say = ("each tenant's tables apart", "add") if apart else ("all tenants' tables together", "drop")
        raise StoreError(f"Database {address!r} keeps {has}; {say} ?schemas=per_tenant, or name another database")


def grants(schema: str, tables: list[str], role: str, *, versions: str = "alembic_version") -> list[str]:
    """The statements after which the role may use the tables, and change none of their form."""
    listed = ", ".join(f'"{schema}"."{table}"' for table in tables)
    quoted = '"' + role.replace('"', '""') + '"'
    return [
        f'GRANT USAGE ON SCHEMA "{schema}" TO {quoted}',
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {listed} TO {quoted}",
        f'GRANT SELECT ON "{schema}"."{versions}" TO {quoted}',
    ]
