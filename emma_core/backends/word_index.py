"""Finds texts by the words they share with a question, in memory."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from emma_core.errors import OperatorError
from emma_core.ports import Words

WORDS = 200
"""How many different words of a question are looked up at most; a longer one is no question."""

_SAYING_NOTHING = """
    a about after all also am an and any are as at be because been before being between both but by can could did do
    does doing down during each few for from further had has have having he her here hers him his how i if in into
    is it its itself just let me more most my no nor not now of off on once one only or other our ours out over own
    please same shall she should so some such than that the their theirs them then there these they this those
    through to too under until up upon us very was we were what when where whether which while who whom whose why
    will with would yes you your yours s t d ll m re ve don
"""
_STOP_WORDS = frozenset(_SAYING_NOTHING.split())


def open_index(address: str) -> Words:
    """An empty index in memory. Raises `OperatorError` for any address but `memory:`."""
    if address != "memory:":
        raise OperatorError(f"Words address {address!r} is not known here; write 'memory:'")
    return WordIndex()


class WordIndex:
    """Texts by collection, each collection with scores of its own."""

    def __init__(self) -> None:
        self._tables: dict[str, str] = {}
        self._connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        self._thread = ThreadPoolExecutor(1, "emma-words")

    async def put(self, collection: str, texts: Mapping[str, str]) -> None:
        """The collection holds exactly these texts by id."""
        rows = list(texts.items())
        await asyncio.get_running_loop().run_in_executor(self._thread, self._fill, collection, rows)

    async def search(self, collection: str, words: str, *, limit: int) -> list[str]:
        """Ids of the nearest texts, best first; those that share no word are left out."""
        asked = _asked(words)
        if not asked or limit < 1:
            return []
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._find, collection, asked, limit)

    async def close(self) -> None:
        """Nothing is held."""
        self._thread.shutdown()
        self._connection.close()

    def _fill(self, collection: str, rows: list[tuple[str, str]]) -> None:
        # a name from outside never becomes a table's name
        table = self._tables.setdefault(collection, f"words_{len(self._tables)}")
        execute = self._connection.execute
        execute("BEGIN")
        try:
            execute(f"DROP TABLE IF EXISTS {table}")
            execute(f"CREATE VIRTUAL TABLE {table} USING fts5(id UNINDEXED, text, tokenize = 'porter unicode61')")
            self._connection.executemany(f"INSERT INTO {table} (id, text) VALUES (?, ?)", rows)
            execute("COMMIT")
        finally:
            if self._connection.in_transaction:
                execute("ROLLBACK")

    def _find(self, collection: str, asked: str, limit: int) -> list[str]:
        table = self._tables.get(collection)
        if table is None:
            return []
        found = self._connection.execute(
            f"SELECT id FROM {table} WHERE {table} MATCH ? ORDER BY bm25({table}), id LIMIT ?", (asked, limit)
        )
        return [row[0] for row in found]


def _asked(words: str) -> str:
    """The words worth looking up, each as a quoted string so that none is read as syntax."""
    asked: dict[str, None] = {}
    for word in re.finditer(r"[^\W_]+", words):
        if word[0].lower() not in _STOP_WORDS:
            asked[word[0].lower()] = None
        if len(asked) == WORDS:
            break
    return " OR ".join(f'"{word}"' for word in asked)
