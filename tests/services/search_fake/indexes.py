"""Holds indexes as the service holds them: fields of declared kinds, documents by key, batches done one by one."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from services.search_fake import ranking
from services.search_fake.filters import Filter, Refused

Body = dict[str, Any]
MOST_ACTIONS = 1000
MOST_BYTES = 16 * 1024 * 1024
MOST_SHOWN = 1000
MOST_SKIPPED = 100_000
RERANKED = 50
"""How many documents the semantic ranker looks at."""
_KINDS = {"Edm.String": str, "Edm.Int32": int, "Edm.Int64": int, "Edm.Double": float, "Edm.Boolean": bool}


class Status(Exception):
    """The request ends with this status, as the service would say it."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class Mutations:
    """What this fake gets wrong on purpose, so that a contract can be seen to notice."""

    ignores_filter: bool = False
    ignores_tenant: bool = False
    filters_afterwards: bool = False
    """The nearest are taken first, and filtered then."""
    half_done: bool = False
    """Of a batch every second document is left undone, and told as done."""


@dataclass
class Index:
    """One index: its definition, and its documents by key."""

    definition: Body
    mutations: Mutations
    documents: dict[str, Body] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.fields: dict[str, Body] = {each["name"]: each for each in self.definition["fields"]}
        keys = [name for name, each in self.fields.items() if each.get("key")]
        if len(keys) != 1 or self.fields[keys[0]]["type"] != "Edm.String":
            raise Status(400, "The request is invalid. Details: An index must have exactly one key field, a string.")
        self.key = keys[0]
        searched = [name for name, each in self.fields.items() if each.get("searchable") and not self._is_vector(name)]
        self.searched = searched
        self.words = ranking.Words(searched)
        self.vectors: dict[str, dict[int, Any]] = {name: {} for name in self.fields if self._is_vector(name)}
        self.numbers: dict[str, int] = {}
        self.by_number: dict[int, str] = {}
        self._next = itertools.count(1)

    def changed(self, definition: Body) -> None:
        """The definition is another; raises where it takes away or changes a field, as the service does."""
        new = {each["name"]: each for each in definition["fields"]}
        for name, each in self.fields.items():
            if name not in new or new[name] != each:
                raise Status(400, f"Existing field '{name}' cannot be changed.")
        documents = self.documents
        self.definition, self.documents = definition, {}
        self.__post_init__()
        for document in documents.values():
            self._stored(document)

    def batch(self, actions: list[Body], failing: int) -> list[Body]:
        """What became of each action; the first `failing` of them are answered 503."""
        if not 0 < len(actions) <= MOST_ACTIONS:
            raise Status(400, f"Too many or no indexing actions: there may be {MOST_ACTIONS}.")
        if len(json.dumps(actions)) > MOST_BYTES:
            raise Status(413, "The request is too large.")
        answers = []
        for number, action in enumerate(actions):
            key = action.get(self.key)
            said: Body = {"key": key, "status": True, "errorMessage": None, "statusCode": 200}
            try:
                if number < failing:
                    raise Status(503, "You are sending too many requests.")
                if not (self.mutations.half_done and number % 2):
                    said["statusCode"] = self._act(dict(action))
            except Status as failed:
                said |= {"status": False, "errorMessage": str(failed), "statusCode": failed.status}
            answers.append(said)
        return answers

    def search(self, said: Body) -> Body:
        """The page of documents that a request asks for, best first."""
        allowed = self._allowed(said.get("filter"))
        rankings, order = self._rankings(said, allowed), said.get("orderby")
        scores = rankings[0] if len(rankings) == 1 else ranking.fused([ranking.best(each, 10**9) for each in rankings])
        if self.mutations.filters_afterwards:
            scores = {number: score for number, score in scores.items() if number in allowed}
        reranked = self._reranked(said, scores)
        found = sorted(scores, key=lambda n: (-reranked.get(n, -1.0), -scores[n], n))
        if order:
            found = self._ordered(found, order)
        top, skip = said.get("top", 50), said.get("skip", 0)
        if skip > MOST_SKIPPED:
            raise Status(400, f"Value must be between 0 and {MOST_SKIPPED}.")
        page = found[skip : skip + min(top, MOST_SHOWN)]
        answer: Body = {"value": [self._shown(n, scores, reranked, said.get("select")) for n in page]}
        if said.get("count"):
            answer["@odata.count"] = len(found)
        if len(page) < min(top, len(found) - skip):
            more = {**said, "skip": skip + len(page), "top": top - len(page)}
            answer["@search.nextPageParameters"] = more
            answer["@odata.nextLink"] = "docs/search.post.search"
        return answer

    def _is_vector(self, name: str) -> bool:
        return bool(self.fields[name].get("dimensions"))

    def _act(self, action: Body) -> int:
        verb, key = action.pop("@search.action", "upload"), action.get(self.key)
        if not isinstance(key, str) or not re.fullmatch(r"[A-Za-z0-9_=-]{1,1024}", key):
            raise Status(400, f"Invalid document key: {key!r}")
        if verb == "delete":
            self.documents.pop(key, None)
            self._forget(key)
            return 200
        old = self.documents.get(key)
        if verb == "merge" and old is None:
            raise Status(404, "Document not found.")
        if verb not in ("upload", "merge", "mergeOrUpload"):
            raise Status(400, f"Unknown action {verb!r}")
        document = {**(old or {}), **action} if verb != "upload" else action
        for name, value in document.items():
            self._fits(name, value)
        self._stored(document)
        return 200 if old is not None else 201

    def _fits(self, name: str, value: Any) -> None:
        if name not in self.fields:
            raise Status(400, f"The property '{name}' does not exist.")
        declared = self.fields[name]
        kind = declared["type"]
        if kind.startswith("Collection("):
            inner = _KINDS.get(kind[11:-1], float)
            fits = isinstance(value, list) and all(isinstance(each, inner | int) for each in value)
            if fits and self._is_vector(name) and len(value) != declared["dimensions"]:
                raise Status(400, f"The vector field '{name}' has {declared['dimensions']} dimensions.")
        else:
            fits = value is None or isinstance(value, _KINDS[kind])
            # a filterable string is one term of the index, and a term has a length
            if fits and isinstance(value, str) and declared.get("filterable") and len(value.encode()) > 32766:
                raise Status(400, f"Field '{name}' contains a term that is too large to process.")
        if not fits:
            raise Status(400, f"Cannot convert the value of '{name}' to {kind}.")

    def _stored(self, document: Body) -> None:
        key = document[self.key]
        self._forget(key)
        number = next(self._next)
        self.documents[key], self.numbers[key], self.by_number[number] = document, number, key
        self.words.put(number, document)
        for name, vectors in self.vectors.items():
            if document.get(name):
                vectors[number] = np.asarray(document[name], dtype=np.float32)

    def _forget(self, key: str) -> None:
        number = self.numbers.pop(key, None)
        if number is not None:
            del self.by_number[number]
            self.words.drop(number)
            for vectors in self.vectors.values():
                vectors.pop(number, None)

    def _allowed(self, text: str | None) -> set[int]:
        if not text or self.mutations.ignores_filter:
            return set(self.by_number)
        blind = frozenset(["tenant"]) if self.mutations.ignores_tenant else frozenset()
        try:
            holds = Filter(text, self.fields, blind=blind).holds
        except Refused as refused:
            raise Status(400, f"Invalid expression: {refused}") from None
        return {number for number, key in self.by_number.items() if holds(self.documents[key])}

    def _rankings(self, said: Body, allowed: set[int]) -> list[dict[int, float]]:
        """By what was asked, words and each vector, the scores of the documents that hold; filtered before ranking."""
        first = set(self.by_number) if self.mutations.filters_afterwards else allowed
        rankings, text = [], said.get("search") or ""
        if text not in ("", "*"):
            fields = [each.strip() for each in said["searchFields"].split(",")] if said.get("searchFields") else None
            try:
                scores = self.words.scores(text, fields=fields, all=said.get("searchMode") == "all")
            except ranking.Unread as unread:
                raise Status(400, str(unread)) from None
            rankings.append({number: score for number, score in scores.items() if number in first})
        for query in said.get("vectorQueries") or ():
            for name in query["fields"].split(","):
                if name not in self.vectors or len(query["vector"]) != self.fields[name]["dimensions"]:
                    raise Status(400, f"The vector of the query does not fit the field '{name}'.")
                among = {number: vector for number, vector in self.vectors[name].items() if number in first}
                scores = ranking.near(among, query["vector"])
                rankings.append({number: scores[number] for number in ranking.best(scores, query.get("k", 50))})
        return rankings or [dict.fromkeys(first, 1.0)]

    def _reranked(self, said: Body, scores: Mapping[int, float]) -> dict[int, float]:
        if said.get("queryType") != "semantic":
            return {}
        named = said.get("semanticConfiguration")
        known = {each["name"]: each for each in (self.definition.get("semantic") or {}).get("configurations", ())}
        if named not in known:
            raise Status(400, f"There is no semantic configuration {named!r}.")
        fields = known[named]["prioritizedFields"].get("prioritizedContentFields", ())
        texts = {
            n: " ".join(str(self.documents[self.by_number[n]].get(each["fieldName"]) or "") for each in fields)
            for n in ranking.best(scores, RERANKED)
        }
        asked = said.get("semanticQuery") or said.get("search") or ""
        return {n: ranking.stand_in_for_semantic_ranking(asked, text) for n, text in texts.items()}

    def _ordered(self, found: list[int], order: str) -> list[int]:
        name, _, way = order.partition(" ")
        if not self.fields.get(name, {}).get("sortable"):
            raise Status(400, f"The field {name!r} is not sortable.")
        return sorted(found, key=lambda n: self.documents[self.by_number[n]].get(name), reverse=way == "desc")

    def _shown(self, number: int, scores: Mapping[int, float], reranked: Mapping[int, float], select: Any) -> Body:
        document = self.documents[self.by_number[number]]
        seen = [name for name, declared in self.fields.items() if declared.get("retrievable") is not False]
        wanted = [name.strip() for name in select.split(",")] if select else seen
        if strays := set(wanted) - set(seen):
            raise Status(400, f"Could not find, or may not show, the fields {sorted(strays)}.")
        said: Body = {name: document.get(name) for name in wanted}
        said["@search.score"] = scores[number]
        if number in reranked:
            said["@search.rerankerScore"] = reranked[number]
        return said
