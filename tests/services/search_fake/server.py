"""Speaks as much of Azure AI Search's REST protocol as the real SDK asks of a service, on a loopback port."""

from __future__ import annotations

import asyncio
import hmac
import itertools
import json
import threading
import urllib.parse
from typing import Any

from aiohttp import web

from services.search_fake.indexes import MOST_BYTES, Body, Index, Mutations, Status

KEY = "the-key-of-the-protocol-fake-known-to-all"


class SearchFake:
    """A protocol fake of a search service: a real HTTP server in a thread of its own, kept in memory.

    Its attributes may be changed while it runs: they say what goes wrong next.
    """

    def __init__(self, **mutations: bool) -> None:
        self.mutations = Mutations(**mutations)
        self.storm = 0
        """Requests on documents that are still answered `storm_status`."""
        self.storm_status = 503
        self.failing = 0
        """Actions at the head of the next batch that are answered 503 one by one, while the others are done."""
        self.lost = 0
        """Batches that are still done without an answer: the connection ends."""
        self.away = False
        """True: every connection ends without an answer."""
        self.refused_aliases = False
        """True: an alias cannot be changed, as on a tier that has none."""
        self.requests: list[tuple[str, str, str]] = []
        """Method, path and body of every request, in order."""
        self.indexes: dict[str, Index] = {}
        self.aliases: dict[str, str] = {}
        self._etags = itertools.count(1)
        self._started = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        self._started.wait(10)

    def address(self, name: str, *, key: str = KEY, more: str = "") -> str:
        """As `EMMA_INDEX` names an index of it."""
        where = f"azure-search://127.0.0.1:{self.port}/{name}"
        return f"{where}?key={urllib.parse.quote(key, safe='')}&tls=off{more}"

    def stop(self) -> None:
        """It is gone."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        app = web.Application(client_max_size=2 * MOST_BYTES)
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
        self.requests.append((request.method, request.path, body.decode()))
        if self.away:
            return self._cut(request)
        headers: dict[str, str] = {}
        try:
            self._authorized(request)
            if self.storm and "/docs" in request.path:
                self.storm -= 1
                headers["retry-after-ms"] = "5"
                raise Status(self.storm_status, "You are sending too many requests. Try again later.")
            status, said = self._route(request, json.loads(body) if body else {})
        except Status as failed:
            status, said = failed.status, {"error": {"code": "", "message": str(failed)}}
        if self.lost and request.path.endswith("/docs/search.index") and status < 300:
            self.lost -= 1
            return self._cut(request)
        text = None if said is None else json.dumps(said)
        return web.Response(status=status, text=text, headers=headers, content_type="application/json")

    def _cut(self, request: web.Request) -> web.StreamResponse:
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=500)

    def _authorized(self, request: web.Request) -> None:
        if "api-version" not in request.query:
            raise Status(400, "The api-version query parameter is required.")
        if not hmac.compare_digest(request.headers.get("api-key", ""), KEY):
            raise Status(403, "Access is denied due to an invalid key.")

    def _route(self, request: web.Request, said: Body) -> tuple[int, Any]:
        what, name, rest = _path(request.path)
        match (request.method, what, rest):
            case ("GET", "indexes", "") if not name:
                return 200, {"value": [index.definition for index in self.indexes.values()]}
            case ("POST", "indexes", "") if said["name"] not in self.indexes:
                return 201, self._index(said)
            case ("PUT", "indexes", ""):
                return (200 if name in self.indexes else 201), self._index(said)
            case ("GET", "indexes", ""):
                return 200, self._named(name, aliased=False).definition
            case ("DELETE", "indexes", ""):
                if name in self.aliases.values():
                    raise Status(400, f"Index '{name}' is used by an alias.")
                return (204 if self.indexes.pop(name, None) else 404), None
            case ("GET", "aliases", "") if not name:
                return 200, {"value": [self._alias(each) for each in self.aliases]}
            case ("GET", "aliases", ""):
                return 200, self._alias(name)
            case ("PUT", "aliases", ""):
                return self._aliased(name, said)
            case ("DELETE", "aliases", ""):
                return (204 if self.aliases.pop(name, None) else 404), None
            case ("POST", "indexes", "docs/search.post.search"):
                return 200, self._named(name).search(said)
            case ("POST", "indexes", "docs/search.index"):
                failing, self.failing = self.failing, 0
                answers = self._named(name).batch(said["value"], failing)
                return (200 if all(each["status"] for each in answers) else 207), {"value": answers}
            case ("GET", "indexes", "docs/$count"):
                return 200, len(self._named(name).documents)
            case ("POST", "indexes", ""):
                raise Status(409, f"Index '{said['name']}' exists.")
            case _:
                raise Status(404, f"{request.method} {request.path} is not answered here.")

    def _index(self, said: Body) -> Body:
        definition = {**said, "@odata.etag": f'"{next(self._etags):08x}"'}
        if said["name"] in self.indexes:
            self.indexes[said["name"]].changed(definition)
        else:
            self.indexes[said["name"]] = Index(definition, self.mutations)
        return definition

    def _named(self, name: str, *, aliased: bool = True) -> Index:
        """An index by its name; what is asked of documents may name an alias."""
        found = self.indexes.get(self.aliases.get(name, name) if aliased else name)
        if found is None:
            raise Status(404, f"The index '{name}' was not found.")
        return found

    def _alias(self, name: str) -> Body:
        if name not in self.aliases:
            raise Status(404, f"The alias '{name}' was not found.")
        return {"name": name, "indexes": [self.aliases[name]]}

    def _aliased(self, name: str, said: Body) -> tuple[int, Body]:
        if self.refused_aliases:
            raise Status(403, "Aliases may not be changed.")
        if len(said["indexes"]) != 1 or said["indexes"][0] not in self.indexes or name in self.indexes:
            raise Status(400, "An alias names one index that is there, and is named as none.")
        status = 200 if name in self.aliases else 201
        self.aliases[name] = said["indexes"][0]
        return status, self._alias(name)


def _path(path: str) -> tuple[str, str, str]:
    """Of `/indexes('NAME')/REST`: the kind, the name and the rest."""
    first, _, rest = urllib.parse.unquote(path).lstrip("/").partition("/")
    kind, _, name = first.partition("('")
    return kind, name.removesuffix("')"), rest
