"""Looks a PostgreSQL over for ways around its row-level security, as the app's own role sees it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from emma_core.backends.sql import engines, explaining, row_security
from emma_core.backends.sql.connecting import Place

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

Flaw = tuple[str, str]
"""What lets a tenant's rows be seen by another, and what to do."""

_OF_TENANT = f"(tenant = {row_security.DEPARSED})"
_LISTED = f"(current_setting('app.tenant'::text, true) = '{row_security.EVERY_TENANT}'::text)"
_SYSTEM = "n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_toast%'"
_TENANTS = f"""
SELECT c.oid, format('%I.%I', n.nspname, c.relname) AS name, c.relname, c.relkind, c.relrowsecurity AS enabled,
  c.relforcerowsecurity AS forced, c.relowner AS owner
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'm', 'f') AND {_SYSTEM}
  AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant' AND NOT a.attisdropped)
"""
_TABLES = f"""
SELECT t.*, has_table_privilege(t.oid, 'SELECT') AS readable,
  (SELECT json_agg(json_build_array(p.polname, p.polpermissive, p.polcmd, pg_get_expr(p.polqual, p.polrelid),
     pg_get_expr(p.polwithcheck, p.polrelid)) ORDER BY p.polname) FROM pg_policy p WHERE p.polrelid = t.oid) AS policies
FROM ({_TENANTS}) t ORDER BY t.name
"""
_ROLE = """
SELECT rolname AS name, rolcreaterole, rolreplication, current_setting('app.tenant', true) AS spoken,
  current_database() AS database,
  (SELECT string_agg(g, ', ') FROM unnest(ARRAY['pg_execute_server_program', 'pg_read_server_files',
     'pg_write_server_files']) g WHERE pg_has_role(current_user, g, 'MEMBER')) AS groups,
  (SELECT string_agg(format('%I', nspname), ', ') FROM pg_namespace WHERE has_schema_privilege(oid, 'CREATE')
     AND (nspname = 'public' OR left(nspname, 7) = 'tenant_' OR nspname = ANY(current_schemas(false)))) AS creates
FROM pg_roles WHERE rolname = current_user
"""
_POWERFUL = "(o.rolsuper OR o.rolbypassrls)"
_FUNCTIONS = f"""
SELECT p.oid::regprocedure::text AS name, o.rolname AS owner
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_roles o ON o.oid = p.proowner
WHERE p.prosecdef AND {_SYSTEM} AND ({_POWERFUL} OR p.proowner IN (SELECT t.owner FROM ({_TENANTS}) t))
  AND (has_schema_privilege(n.oid, 'USAGE') AND has_function_privilege(p.oid, 'EXECUTE')
    OR EXISTS (SELECT FROM pg_trigger t WHERE t.tgfoid = p.oid AND NOT t.tgisinternal))
ORDER BY 1
"""
_VIEWS = f"""
WITH RECURSIVE over(oid) AS (
  SELECT t.oid FROM ({_TENANTS}) t
  UNION
  SELECT r.ev_class FROM over JOIN pg_depend d ON d.refobjid = over.oid AND d.refclassid = 'pg_class'::regclass
    AND d.classid = 'pg_rewrite'::regclass JOIN pg_rewrite r ON r.oid = d.objid
)
SELECT format('%I.%I', n.nspname, c.relname) AS name, o.rolname AS owner, c.relkind = 'm' AS stored
FROM over JOIN pg_class c ON c.oid = over.oid JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_roles o ON o.oid = c.relowner
WHERE has_table_privilege(c.oid, 'SELECT') AND (c.relkind = 'm' OR c.relkind = 'v' AND {_POWERFUL}
  AND NOT coalesce((SELECT option_value::boolean FROM pg_options_to_table(c.reloptions)
    WHERE option_name = 'security_invoker'), false))
ORDER BY 1
"""


async def flaws(place: Place) -> list[Flaw]:
    """Every way around row-level security that was found; none means that it holds. Raises `StoreError`."""
    engine = engines.server_engine(place)
    try:
        async with engine.connect() as connection:
            await connection.exec_driver_sql("SELECT set_config('search_path', 'pg_catalog', true)")
            tables = await _rows(connection, _TABLES)
            found = [*_role(await _rows(connection, row_security.ROLE), await _rows(connection, _ROLE))]
            found += [flaw for table in tables for flaw in _table(table)]
            found += [_function(row) for row in await _rows(connection, _FUNCTIONS)]
            found += [_view(row) for row in await _rows(connection, _VIEWS)]
        return found
    except Exception as error:
        raise explaining.explained(error, place) from error
    finally:
        await engine.dispose()


async def _rows(connection: AsyncConnection, query: str) -> list[dict[str, Any]]:
    asked = await connection.exec_driver_sql(query.replace("%", "%%"))  # psycopg looks for parameters
    return [dict(row) for row in asked.mappings()]


def _role(held: Sequence[Mapping[str, Any]], more: Sequence[Mapping[str, Any]]) -> Iterator[Flaw]:
    name = more[0]["name"]
    for role in held:
        if does := row_security.breach(role):
            do = "name a role in EMMA_DATABASE that is NOSUPERUSER, NOBYPASSRLS and no owner of a table"
            yield f"role {role['name']!r} {does}", do
            if role["super"]:
                return
    row = more[0]
    if row["rolcreaterole"] or row["rolreplication"]:
        yield f"role {name!r} may make roles, or copy the server", f'ALTER ROLE "{name}" NOCREATEROLE NOREPLICATION'
    if row["groups"]:
        yield f"role {name!r} reaches the server's files: {row['groups']}", f'REVOKE {row["groups"]} FROM "{name}"'
    if row["creates"]:
        do = f'REVOKE CREATE ON SCHEMA {row["creates"]} FROM PUBLIC, "{name}"'
        yield f"role {name!r} may put tables and functions into {row['creates']}, before those that are meant", do
    if row["spoken"]:
        here = f'ALTER ROLE "{name}" IN DATABASE "{row["database"]}" RESET app.tenant'
        do = f'ALTER ROLE "{name}" RESET app.tenant; {here}'
        yield f"who forgets the tenant speaks for {row['spoken']!r}: app.tenant is set for the session", do


def _table(table: Mapping[str, Any]) -> Iterator[Flaw]:
    name = table["name"]
    if table["relkind"] in ("m", "f"):
        if table["readable"]:
            yield f"{name} holds tenants' rows and can have no row-level security", f"REVOKE ALL ON {name} FROM PUBLIC"
        return
    if not table["enabled"]:
        yield f"table {name} has no row-level security", f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY"
    if not table["forced"]:
        yield f"table {name} shows its owner every row", f"ALTER TABLE {name} FORCE ROW LEVEL SECURITY"
    whole = False
    for policy, permissive, command, using, check in table["policies"] or ():
        if command == "*" and using == _OF_TENANT and check == _OF_TENANT:
            whole = whole or permissive
        elif permissive and not (table["relname"] == "tenants" and command == "r" and using == _LISTED):
            said = f"policy {policy!r} of table {name} lets more be seen or written: USING {using}, WITH CHECK {check}"
            yield said, f'DROP POLICY "{policy}" ON {name}'
    if not whole:
        rule = f"tenant = {row_security.SPOKEN_FOR}"
        do = f"CREATE POLICY of_tenant ON {name} USING ({rule}) WITH CHECK ({rule})"
        yield f"table {name} has no policy that holds reading and writing to the tenant", do


def _function(row: Mapping[str, Any]) -> Flaw:
    said = f"function {row['name']} runs with the rights of {row['owner']!r} for whoever calls it"
    return said, f"ALTER FUNCTION {row['name']} SECURITY INVOKER"


def _view(row: Mapping[str, Any]) -> Flaw:
    if row["stored"]:
        return f"materialized view {row['name']} holds every tenant's rows", f"DROP MATERIALIZED VIEW {row['name']}"
    said = f"view {row['name']} reads with the rights of {row['owner']!r}, whom no policy holds"
    return said, f"ALTER VIEW {row['name']} SET (security_invoker = true)"
