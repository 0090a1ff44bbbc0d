"""Orders documents as the service does: BM25 over analyzed text, nearness of vectors, and the two fused by rank."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from functools import cache
from typing import Any

import numpy as np

_OPERATORS = re.compile(r'[+|"()*~^\\]|(?:^|\s)-')
_STOP_WORDS = re.compile(
    "a|an|and|are|as|at|be|but|by|for|if|in|into|is|it|no|not|of|on|or|such|that|the|their|then|there|these|they|this"
    "|to|was|will|with",
    re.IGNORECASE,
)
"""What the analyzer of the service leaves out of English."""
_CONSTANT = 60
"""Of reciprocal rank fusion, as the service documents it."""


class Unread(Exception):
    """The words hold an operator of the service's query language, which is not answered here."""


class Words:
    """The analyzed text of an index: SQLite's full text tables, whose BM25 has the constants of the service."""

    def __init__(self, fields: Sequence[str]) -> None:
        self._fields = list(fields)
        self._connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        columns = ", ".join(f"c{number}" for number in range(len(fields)))
        self._connection.execute(f"CREATE VIRTUAL TABLE words USING fts5({columns}, tokenize = 'porter unicode61')")

    def put(self, number: int, document: Mapping[str, Any]) -> None:
        """The document's words can be found under its number."""
        self.drop(number)
        texts = [_text(document.get(field)) for field in self._fields]
        marks = ", ".join("?" * (1 + len(texts)))
        names = ", ".join(["rowid", *(f"c{each}" for each in range(len(texts)))])
        self._connection.execute(f"INSERT INTO words ({names}) VALUES ({marks})", (number, *texts))

    def drop(self, number: int) -> None:
        """They cannot."""
        self._connection.execute("DELETE FROM words WHERE rowid = ?", (number,))

    def scores(self, text: str, *, fields: Sequence[str] | None, all: bool) -> dict[int, float]:
        """By number, the BM25 score of every document that shares a word (or, `all`, shares all of them).

        Raises `Unread` for words that are more than words.
        """
        if _OPERATORS.search(text):
            raise Unread(f"operators of the query language are not answered here: {text!r}")
        words = [word for word in re.findall(r"[^\W_]+", text) if not _STOP_WORDS.fullmatch(word)]
        if not words:
            return {}
        asked = (" AND " if all else " OR ").join(f'"{word}"' for word in words)
        if fields:
            asked = "{" + " ".join(f"c{self._fields.index(field)}" for field in fields) + "} : (" + asked + ")"
        found = self._connection.execute("SELECT rowid, -bm25(words) FROM words WHERE words MATCH ?", (asked,))
        return dict(found.fetchall())


@cache
def stems(text: str) -> frozenset[str]:
    """The words of a text in their shortest form, those left out that say nothing."""
    words = " ".join(word for word in re.findall(r"[^\W_]+", text) if not _STOP_WORDS.fullmatch(word))
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE VIRTUAL TABLE words USING fts5(text, tokenize = 'porter unicode61')")
        connection.execute("CREATE VIRTUAL TABLE said USING fts5vocab(words, row)")
        connection.execute("INSERT INTO words VALUES (?)", (words,))
        return frozenset(term for (term,) in connection.execute("SELECT term FROM said"))


def near(vectors: Mapping[int, Any], asked: Sequence[float]) -> dict[int, float]:
    """By number, `1 / (1 + distance)` as the service shows the cosine distance."""
    if not vectors:
        return {}
    matrix = np.stack(list(vectors.values()))
    question = np.asarray(asked, dtype=np.float32)
    lengths = np.linalg.norm(matrix, axis=1) * max(float(np.linalg.norm(question)), 1e-12)
    cosines = (matrix @ question) / np.maximum(lengths, 1e-12)
    return dict(zip(vectors, (1 / (2 - cosines)).tolist(), strict=True))


def best(scores: Mapping[int, float], most: int) -> list[int]:
    """The numbers of the highest scores, best first; equal ones in the order they were written."""
    return sorted(scores, key=lambda number: (-scores[number], number))[:most]


def fused(rankings: Iterable[Sequence[int]]) -> dict[int, float]:
    """By number, the sum over the rankings of the reciprocal of its rank (Cormack, Clarke, Büttcher 2009)."""
    scores: dict[int, float] = {}
    for ranking in rankings:
        for rank, number in enumerate(ranking, start=1):
            scores[number] = scores.get(number, 0.0) + 1 / (_CONSTANT + rank)
    return scores


def stand_in_for_semantic_ranking(question: str, text: str) -> float:
    """A score from 0 to 4 as the semantic ranker's: the share of the question's words that the text has, no model."""
    asked = {word.lower() for word in re.findall(r"[^\W_]+", question)}
    there = {word.lower() for word in re.findall(r"[^\W_]+", text)}
    return 4.0 * len(asked & there) / max(len(asked), 1)


def _text(value: Any) -> str:
    return "\n".join(map(str, value)) if isinstance(value, list) else str(value or "")
