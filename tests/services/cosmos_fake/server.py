"""Speaks as much of Cosmos's REST protocol as the real SDK asks of an account, on a loopback port."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import itertools
import json
import threading
import urllib.parse
from email.utils import parsedate_to_datetime
from typing import Any

from aiohttp import web

from services.cosmos_fake import ranked
from services.cosmos_fake.containers import LARGEST, Container, Item, Key, Mutations, Status, charge
from services.cosmos_fake.queries import Query, Refused

KEY = base64.b64encode(b"the key of the protocol fake, known to all").decode()
PAGE_BYTES = 4 * 1024 * 1024


class CosmosFake:
    """A protocol fake of an Azure Cosmos DB account: a real HTTP server in a thread of its own, kept in memory.

    Its attributes may be changed while it runs: they say what goes wrong next.
    """

    def __init__(self, **mutations: bool) -> None:
        self.mutations = Mutations(**mutations)
        self.consistency = "Session"
        self.regions = 1
        """Regions that take writes."""
        self.lag = 0
        """Writes that a replica may be behind a reader without a session token."""
        self.bounds: list[str] = []
        """Where new containers are split into physical partitions."""
        self.throttled = 0
        """Requests on items that are still answered 429."""
        self.throttled_inside = 0
        """Batches whose first operation is still answered 429."""
        self.lost = 0
        """Writes on items that are still done without an answer: the connection ends."""
        self.away = False
        """True: every connection ends without an answer."""
        self.page = 1000
        """Items that a page of an answer has at most."""
        self.charged = 0.0
        """Request units of all requests on items, as this fake counts them."""
        self.requests: list[tuple[str, str, dict[str, str], str]] = []
        """Method, path, headers and body of every request on items, in order."""
        self.databases: dict[str, dict[str, Container]] = {}
        self._rids = itertools.count(1)
        self._started = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        self._started.wait(10)

    def address(self, database: str, *, key: str = KEY) -> str:
        """As `EMMA_STORE` names a database of it."""
        return f"cosmos://127.0.0.1:{self.port}/{database}?key={urllib.parse.quote(key, safe='')}&tls=off"

    def empty(self, like: str, name: str) -> None:
        """A new database has containers like another's, and nothing in them."""
        self.databases[name] = {}
        for container in self.databases[like].values():
            self._new_container(name, container.properties)

    def stop(self) -> None:
        """It is gone."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        app = web.Application(client_max_size=4 * LARGEST)
        app.router.add_route("*", "/{path:.*}", self._answered)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        self._loop.run_until_complete(runner.setup())
        site = web.TCPSite(runner, "127.0.0.1", 0)
        self._loop.run_until_complete(site.start())
        self.port = runner.addresses[0][1]
        self._started.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())
        self._loop.close()

    async def _answered(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        if self.away:
            return self._cut(request)
        try:
            self._authorized(request)
            status, said, headers = self._route(request, body)
        except Status as failed:
            status, headers = failed.status, failed.headers
            said = {"code": str(failed.status), "message": str(failed)}
        except Refused as refused:
            status, said, headers = 400, {"code": "BadRequest", "message": str(refused)}, {}
        writes = (
            "/docs" in request.path and request.method != "GET" and "x-ms-documentdb-isquery" not in request.headers
        )
        if self.lost and writes and status < 300:
            self.lost -= 1
            return self._cut(request)
        headers.setdefault("x-ms-request-charge", "1")
        if "/docs" in request.path:
            self.charged += float(headers["x-ms-request-charge"])
        text = None if said is None else json.dumps(said)
        return web.Response(status=status, text=text, headers=headers, content_type="application/json")

    def _cut(self, request: web.Request) -> web.StreamResponse:
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=500)

    def _authorized(self, request: web.Request) -> None:
        parts = [part for part in urllib.parse.unquote(request.path).split("/") if part]
        # a path ends with a kind of resource, whose owner is signed, or with the id of one, which is
        kind, link = (parts[-1], parts[:-1]) if len(parts) % 2 else (parts[-2] if parts else "", parts)
        date = request.headers.get("x-ms-date", "")
        text = f"{request.method.lower()}\n{kind}\n{'/'.join(link)}\n{date.lower()}\n\n"
        signed = base64.b64encode(hmac.new(base64.b64decode(KEY), text.encode(), hashlib.sha256).digest()).decode()
        shown = urllib.parse.unquote(request.headers.get("authorization", "")).partition("&sig=")[2]
        if not hmac.compare_digest(shown, signed):
            raise Status(401, "The input authorization token can't serve the request.")

    def _route(self, request: web.Request, body: bytes) -> tuple[int, Any, dict[str, str]]:
        parts = [part for part in urllib.parse.unquote(request.path).split("/") if part]
        said = json.loads(body) if body else None
        match (request.method, *parts):
            case ("GET",):
                return 200, self._account(), {}
            case ("POST", "dbs"):
                if said["id"] in self.databases:
                    raise Status(409, "Resource with specified id already exists.")
                self.databases[said["id"]] = {}
                return 201, {"id": said["id"], "_rid": f"db{next(self._rids)}"}, {}
            case ("GET", "dbs", database):
                self._database(database)
                return 200, {"id": database, "_rid": database}, {}
            case ("POST", "dbs", database, "colls"):
                return self._new_container(database, said)
            case ("GET" | "PUT", "dbs", database, "colls", name):
                container = self._container(database, name)
                if request.method == "PUT":
                    if said["partitionKey"]["paths"] != container.properties["partitionKey"]["paths"]:
                        raise Status(400, "Partition key paths cannot be changed.")
                    container.properties = {**container.properties, **said}
                return 200, container.properties, {}
            case ("GET", "dbs", database, "colls", name, "pkranges"):
                ranges = self._container(database, name).ranges()
                if request.headers.get("If-None-Match"):
                    return 304, None, {"etag": '"ranges"'}
                return 200, {"PartitionKeyRanges": ranges, "_count": len(ranges)}, {"etag": '"ranges"'}
            case (_, "dbs", database, "colls", name, "docs", *rest):
                self.requests.append((request.method, request.path, dict(request.headers), body.decode()))
                if self.throttled:
                    self.throttled -= 1
                    raise Status(429, "Request rate is large.", 3200, x_ms_retry_after_ms="5")
                return self._items(request, self._container(database, name), said, *rest)
        raise Status(400, f"{request.method} {request.path} is not one that is answered here.")

    def _account(self) -> Item:
        here = [
            {"name": f"Region {n}", "databaseAccountEndpoint": f"http://127.0.0.1:{self.port}/"}
            for n in range(self.regions)
        ]
        return {
            "id": "fake",
            "writableLocations": here,
            "readableLocations": here,
            "enableMultipleWriteLocations": self.regions > 1,
            "userConsistencyPolicy": {"defaultConsistencyLevel": self.consistency},
        }

    def _database(self, name: str) -> dict[str, Container]:
        if name not in self.databases:
            raise Status(404, "Owner resource does not exist", 1003)
        return self.databases[name]

    def _container(self, database: str, name: str) -> Container:
        if name not in self._database(database):
            raise Status(404, "Owner resource does not exist", 1003)
        return self.databases[database][name]

    def _new_container(self, database: str, said: Item) -> tuple[int, Any, dict[str, str]]:
        if said["id"] in self._database(database):
            raise Status(409, "Resource with specified id already exists.")
        key = said["partitionKey"]
        if key.get("kind") != "MultiHash" or key.get("version") != 2:
            raise Status(400, "This fake keeps hierarchical partition keys only.")
        rid = f"coll{next(self._rids)}"
        properties = {**said, "_rid": rid, "_self": f"dbs/{database}/colls/{rid}/"}
        self.databases[database][said["id"]] = Container(properties, self.mutations, list(self.bounds), self.lag)
        return 201, properties, {}

    def _items(self, request: web.Request, container: Container, said: Any, *rest: str) -> tuple[int, Any, dict]:
        container.lag = self.lag
        headers = request.headers
        if request.method == "GET" and not rest:
            return self._feed(request, container)
        if request.method == "POST" and (headers.get("x-ms-documentdb-isquery") or ranked.is_plan(headers)):
            return self._query(request, container, said)
        key = self._key(request, container)
        if headers.get("x-ms-cosmos-is-batch-request"):
            return self._batch(container, key, said, len(request._read_bytes or b""))
        if request.method == "GET":
            item = container.read(key, rest[0], seen=_seen(request, container.range_of(key)))
            return 200, item, self._told(container, key, charge(item, write=False), etag=item["_etag"])
        upsert = headers.get("x-ms-documentdb-is-upsert", "").lower() == "true"
        verb = {"PUT": "Replace", "DELETE": "Delete"}.get(request.method, "Upsert" if upsert else "Create")
        id = rest[0] if rest else said["id"]
        status, item = container.write(verb, key, id, said, headers.get("If-Match"))
        etag = item["_etag"] if item else ""
        return status, item, self._told(container, key, charge(said, write=True), etag=etag)

    def _key(self, request: web.Request, container: Container) -> Key:
        key = tuple(json.loads(request.headers.get("x-ms-documentdb-partitionkey", "[]")))
        if len(key) != len(container.paths):
            raise Status(400, "Partition key provided doesn't correspond to definition in the collection.", 1001)
        return key

    def _batch(self, container: Container, key: Key, said: Any, length: int) -> tuple[int, Any, dict]:
        if length > LARGEST:
            raise Status(413, "Request size is too large")
        if self.throttled_inside:
            self.throttled_inside -= 1
            answers: list[Item] = [{"statusCode": 424, "requestCharge": 0.0} for _ in said]
            answers[0] = {"statusCode": 429, "requestCharge": 0.0, "retryAfterMilliseconds": 5}
        else:
            answers = container.batch(key, said)
        failed = any(answer["statusCode"] >= 400 for answer in answers)
        units = sum(each["requestCharge"] for each in answers)
        return 207 if failed else 200, answers, self._told(container, key, units)

    def _query(self, request: web.Request, container: Container, said: Any) -> tuple[int, Any, dict]:
        number, text = ranked.component(said["query"])
        query = Query(text, said.get("parameters", ()))
        if ranked.is_plan(request.headers):
            return 200, ranked.plan(said, query), {}
        if query.ranks and number is None:
            raise Status(400, "This query is to be asked by its plan.", 1004)
        low, high, key = "", "FF", None
        if "x-ms-documentdb-partitionkey" in request.headers:
            key = self._key(request, container)
            part: str | None = container.range_of(key)
        elif (part := request.headers.get("x-ms-documentdb-partitionkeyrangeid")) is not None:
            of = container.ranges()[int(part)]
            low = max(of["minInclusive"], request.headers.get("x-ms-start-epk", ""))
            high = min(of["maxExclusive"], request.headers.get("x-ms-end-epk", "FF"))
        else:
            raise Status(400, "Cross partition query is required but disabled.")
        items = container.items(low, high, key=key, seen=_seen(request, part or "0"))
        if self.mutations.ignores_filter and "c.labels" in text:
            query.where = lambda item: item.get("type") == "chunk"
        found = query.chosen(items)
        if number is not None:
            found = ranked.ranked(query, number, found, items)
        start = int(request.headers.get("x-ms-continuation", "0"))
        # a page ends at what was asked, at what a page may hold, and at 4 MB
        wanted = int(request.headers.get("x-ms-max-item-count", "-1"))
        whole = found if query.top is None or number is not None else found[: query.top]
        page, length = list[Item](), 0
        for item in whole[start : start + min(self.page, wanted if wanted > 0 else self.page)]:
            length += len(json.dumps(item))
            if page and length > PAGE_BYTES:
                break
            page.append(item)
        if query.counts:
            page = whole
        shown, more = (page if number is not None else query.shown(page)), start + len(page) < len(whole)
        units = 2.3 + sum(charge(item, write=False) for item in page) * 0.3
        told = self._told(container, part or "0", round(units, 2))
        if more:
            told["x-ms-continuation"] = str(start + len(page))
        return 200, {"_rid": container.properties["_rid"], "Documents": shown, "_count": len(shown)}, told

    def _feed(self, request: web.Request, container: Container) -> tuple[int, Any, dict]:
        if "Incremental" not in request.headers.get("A-IM", ""):
            raise Status(400, "Only the change feed of latest versions is answered here.")
        after = request.headers.get("If-None-Match", "").strip('"')
        since = _time(request.headers.get("If-Modified-Since"))
        if after == "*":
            return 304, None, {"etag": f'"{container.lsn}"'}
        changed = container.changed(int(after or 0), since)[: self.page]
        etag = f'"{changed[-1]["_lsn"] if changed else container.lsn}"'
        if not changed:
            return 304, None, {"etag": etag}
        return 200, {"_rid": container.properties["_rid"], "Documents": changed, "_count": len(changed)}, {"etag": etag}

    def _told(self, container: Container, where: Key | str, units: float, etag: str = "") -> dict[str, str]:
        token = f"{where if isinstance(where, str) else container.range_of(where)}:-1#{container.lsn}"
        told = {"x-ms-request-charge": str(units), "x-ms-session-token": token, "lsn": str(container.lsn)}
        return {**told, "etag": etag} if etag else told


def _seen(request: web.Request, where: str) -> int:
    """The version that the reader's session token asks for of a physical partition."""
    tokens = (part.partition(":") for part in request.headers.get("x-ms-session-token", "").split(",") if part)
    return max((int(said.split("#")[1]) for number, _, said in tokens if number == where), default=0)


def _time(header: str | None) -> float:
    return parsedate_to_datetime(header).timestamp() if header else 0.0
