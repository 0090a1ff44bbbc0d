"""What the PostgreSQL store asks, a name for each statement; every one names its tenant, beside row-level security."""

from __future__ import annotations

_FRESH = "(expires_at IS NULL OR expires_at > %s)"
_DOCUMENT = "kind, id, in_group, subject, etag, expires_at, body"
_VALUES = "(tenant, kind, id, in_group, subject, etag, expires_at, body) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"
_OVERWRITE = (
    "DO UPDATE SET in_group = excluded.in_group, subject = excluded.subject, etag = excluded.etag,"
    " expires_at = excluded.expires_at, body = excluded.body"
)

GET = f"SELECT {_DOCUMENT} FROM documents WHERE tenant = %s AND kind = %s AND id = %s AND {_FRESH}"
ETAG = f"SELECT etag FROM documents WHERE tenant = %s AND kind = %s AND id = %s AND {_FRESH}"
QUERY = (
    f"SELECT {_DOCUMENT} FROM documents WHERE tenant = %s AND kind = %s AND id > %s AND {_FRESH} ORDER BY id LIMIT %s"
)
QUERY_GROUP = (
    f"SELECT {_DOCUMENT} FROM documents WHERE tenant = %s AND kind = %s AND in_group = %s AND id > %s AND {_FRESH}"
    " ORDER BY id LIMIT %s"
)
KINDS = f"SELECT DISTINCT kind FROM documents WHERE tenant = %s AND {_FRESH} ORDER BY kind"

PUT = f"INSERT INTO documents {_VALUES} ON CONFLICT (tenant, kind, id) {_OVERWRITE} RETURNING etag"
PUT_NEW = (
    f"INSERT INTO documents {_VALUES} ON CONFLICT (tenant, kind, id) {_OVERWRITE} WHERE documents.expires_at <= %s"
    " RETURNING etag"
)
PUT_OVER = (
    "UPDATE documents SET in_group = %s, subject = %s, etag = %s, expires_at = %s, body = %s"
    f" WHERE tenant = %s AND kind = %s AND id = %s AND etag = %s AND {_FRESH} RETURNING etag"
)
INSERT = f"INSERT INTO documents {_VALUES}"
DELETE = "DELETE FROM documents WHERE tenant = %s AND kind = %s AND id = %s"
DELETE_THAT = (
    f"DELETE FROM documents WHERE tenant = %s AND kind = %s AND id = %s AND etag = %s AND {_FRESH} RETURNING etag"
)
FORGET = "DELETE FROM documents WHERE tenant = %s AND expires_at <= %s"

_NAMED = "(kind, id) IN (SELECT * FROM unnest(%s::text[], %s::text[]))"
FORGET_NAMED = f"DELETE FROM documents WHERE tenant = %s AND {_NAMED} AND expires_at <= %s"
HOLD_NAMED = f"SELECT kind, id, etag FROM documents WHERE tenant = %s AND {_NAMED} FOR UPDATE"

# one append at a time for each tenant, in all processes; let go when the transaction ends, however it does
LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('emma trail of ' || %s, 0))"
HEAD = "SELECT seq, hash, at FROM heads WHERE tenant = %s"
HASH = "SELECT hash FROM lines WHERE tenant = %s AND seq = %s"
LINE = (
    "INSERT INTO lines (tenant, seq, kind, at, turn, conversation, line, hash) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"
)
PAYLOAD = (
    "INSERT INTO payloads (tenant, seq, subject, salt, body) VALUES (%s, %s, %s, %s, %s) ON CONFLICT (tenant, seq)"
    " DO UPDATE SET subject = excluded.subject, salt = excluded.salt, body = excluded.body"
)
REPLACE_PAYLOAD = (
    "INSERT INTO payloads (tenant, seq, subject, salt, body) SELECT tenant, seq, %s, %s, %s FROM lines"
    " WHERE tenant = %s AND seq = %s ON CONFLICT (tenant, seq)"
    " DO UPDATE SET subject = excluded.subject, salt = excluded.salt, body = excluded.body"
)
DELETE_PAYLOAD = "DELETE FROM payloads WHERE tenant = %s AND seq = %s"
MOVE_HEAD = (
    "INSERT INTO heads (tenant, seq, hash, at) VALUES (%s, %s, %s, %s) ON CONFLICT (tenant)"
    " DO UPDATE SET seq = excluded.seq, hash = excluded.hash, at = excluded.at"
)
LINES = (
    "SELECT l.seq, l.kind, l.at, l.turn, l.conversation, l.line, l.hash, p.subject, p.salt, p.body"
    " FROM lines l LEFT JOIN payloads p ON p.tenant = l.tenant AND p.seq = l.seq WHERE l.tenant = %s"
)

COUNT = {
    table: f"SELECT count(*) FROM {table} WHERE tenant = %s" for table in ("documents", "lines", "payloads", "heads")
}
EMPTY = {table: f"DELETE FROM {table} WHERE tenant = %s" for table in COUNT}

CHANNEL = "emma_trails"
TELL = f"SELECT pg_notify('{CHANNEL}', %s)"
TENANTS = "SELECT tenant FROM tenants ORDER BY tenant"
