"""What the index asks of PostgreSQL, a name for each statement; every one names its tenant, beside row security."""

from __future__ import annotations

_K1, _B = 1.2, 0.75

SETTLE = (
    "INSERT INTO index_collections (tenant, name, embedder, dimension) VALUES (%s, %s, %s, %s)"
    " ON CONFLICT (tenant, name) DO UPDATE SET embedder = excluded.embedder, dimension = excluded.dimension"
    " WHERE NOT EXISTS (SELECT FROM index_chunks c WHERE c.tenant = index_collections.tenant"
    " AND c.collection = index_collections.name)"
)
"""The collection is there; while it holds no chunk, its embedder may change."""
COLLECTION = (
    "SELECT name, embedder, dimension, (SELECT count(*) FROM index_chunks c WHERE c.tenant = k.tenant"
    " AND c.collection = k.name) FROM index_collections k WHERE tenant = %s AND name = %s"
)
COLLECTIONS = (
    "SELECT name, embedder, dimension, (SELECT count(*) FROM index_chunks c WHERE c.tenant = k.tenant"
    " AND c.collection = k.name) FROM index_collections k WHERE tenant = %s ORDER BY name"
)
PUT = """
INSERT INTO index_chunks (tenant, collection, id, document, ordinal, kind, subject, labels, first_day, last_day, hash,
  body, words, length, row)
SELECT k.tenant, k.name, r.id, r.document, r.ordinal, r.kind, r.subject,
  ARRAY(SELECT json_array_elements_text(r.labels)), r.first_day, r.last_day, r.hash, r.body,
  to_tsvector('english', r.words), (SELECT coalesce(sum(cardinality(positions)), 0)
    FROM unnest(to_tsvector('english', r.words))), r.row::vector
FROM index_collections k, json_to_recordset(%s::json) AS r(id text, document text, ordinal bigint, kind text,
  subject text, labels json, first_day integer, last_day integer, hash text, body text, words text, row text)
WHERE k.tenant = %s AND k.name = %s AND k.embedder = %s AND k.dimension = %s
ON CONFLICT (tenant, collection, id) DO UPDATE SET document = excluded.document, ordinal = excluded.ordinal,
  kind = excluded.kind, subject = excluded.subject, labels = excluded.labels, first_day = excluded.first_day,
  last_day = excluded.last_day, hash = excluded.hash, body = excluded.body, words = excluded.words,
  length = excluded.length, row = excluded.row
"""
"""Where the collection is another embedder's, nothing is written."""

_THERE = "c.tenant = %s AND c.collection = %s"
_SEEN = (
    f"{_THERE} AND c.labels && %s::text[] AND (%s::integer IS NULL OR %s::integer BETWEEN c.first_day AND c.last_day)"
    " AND (cardinality(%s::text[]) = 0 OR c.kind = ANY (%s::text[]))"
)
"""What a filter lets through: tenant, collection, labels, the day twice, the kinds twice."""

SEARCH = f"""
WITH asked AS (
  SELECT lexeme FROM unnest(to_tsvector('english', %s)) LIMIT 200
), looked AS (
  SELECT coalesce(string_agg(quote_literal(lexeme), ' | '), '')::tsquery AS up FROM asked
), whole AS (
  SELECT count(*)::float AS n, greatest(avg(length), 1)::float AS average FROM index_chunks c WHERE {_THERE}
), held AS MATERIALIZED (
  SELECT c.id, c.length, t.lexeme, cardinality(t.positions)::float AS tf
  FROM looked, index_chunks c, unnest(c.words) t
  WHERE {_THERE} AND c.words @@ looked.up AND t.lexeme IN (SELECT lexeme FROM asked)
), rare AS (
  SELECT lexeme, greatest(ln((whole.n - count(*) + 0.5) / (count(*) + 0.5)), 1e-6) AS idf
  FROM held, whole GROUP BY lexeme, whole.n
), scored AS (
  SELECT held.id, sum(rare.idf * held.tf * {_K1 + 1}
    / (held.tf + {_K1} * ({1 - _B} + {_B} * held.length / whole.average))) AS score
  FROM held JOIN rare USING (lexeme), whole GROUP BY held.id
), seen AS (
  SELECT c.id, c.row, s.score FROM index_chunks c LEFT JOIN scored s USING (id) WHERE {_SEEN}
), lexical AS (
  SELECT id, row_number() OVER (ORDER BY score DESC, id) AS place FROM seen WHERE score IS NOT NULL
  ORDER BY score DESC, id LIMIT %s
), near AS (
  SELECT id, row_number() OVER (ORDER BY row <=> %s::vector, id) AS place FROM seen WHERE row IS NOT NULL
  ORDER BY row <=> %s::vector, id LIMIT %s
)
SELECT seen.id, seen.score, 1 - (seen.row <=> %s::vector), lexical.place, near.place
FROM seen LEFT JOIN lexical USING (id) LEFT JOIN near USING (id)
WHERE lexical.id IS NOT NULL OR near.id IS NOT NULL ORDER BY least(lexical.place, near.place), seen.id
"""
"""BM25 as SQLite's FTS5 has it, of this tenant's collection alone, and the cosine; filtered before either ranks."""

READ = f"SELECT c.body FROM index_chunks c WHERE {_SEEN} AND c.id = ANY (%s::text[])"
STRETCH = (
    f"SELECT c.body FROM index_chunks c WHERE {_SEEN} AND c.document = %s AND c.ordinal BETWEEN %s AND %s"
    " ORDER BY c.ordinal, c.id"
)
IDS = "SELECT id, hash FROM index_chunks WHERE tenant = %s AND collection = %s AND id > %s ORDER BY id LIMIT %s"
_COUNTED = "WITH gone AS (DELETE FROM index_chunks WHERE tenant = %s AND {} RETURNING 1) SELECT count(*) FROM gone"
REMOVE = _COUNTED.format("collection = %s AND id = ANY (%s::text[])")
DROP = _COUNTED.format("collection = %s")
UNSETTLE = "DELETE FROM index_collections WHERE tenant = %s AND name = %s"
FORGET = _COUNTED.format("subject = %s")
COUNT = {
    "chunks": "SELECT count(*) FROM index_chunks WHERE tenant = %s",
    "collections": "SELECT count(*) FROM index_collections WHERE tenant = %s",
}
EMPTY = (
    "DELETE FROM index_chunks WHERE tenant = %s",
    "DELETE FROM index_collections WHERE tenant = %s",
)
FORM = "SELECT version_num FROM index_version"
