"""Shows the central sentence: published to Cosmos by command, loaded from there, the same turn on every Azure address.

Cosmos, Key Vault and Azure OpenAI are protocol fakes; PostgreSQL, Azurite and Valkey are the real servers.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from services import Addresses, AzuriteServer, ValkeyServer
from services.azure_openai_fake import WORDS
from services.azure_set import AzureSet, azure_set

from emma_core import Emma, audit, canonical, metering, settings
from emma_core.cli import main, story
from emma_core.nouns import Override, TrailLine, Turn

NOW = datetime.now(UTC) + timedelta(hours=1)
Run = Callable[..., str]


@pytest.fixture
def azure(emma_database: Addresses, azurite: AzuriteServer, valkey: ValkeyServer) -> Iterator[AzureSet]:
    with azure_set(emma_database, azurite, valkey) as found:
        yield found


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """`emma` in this process: what it printed, where it exits as it should."""

    def ran(*arguments: str, code: int = 0) -> str:
        capsys.readouterr()
        exited = main(arguments)
        out, err = capsys.readouterr()
        assert exited == code, err
        return out

    return ran


@pytest.fixture
def officer(tmp_path: Path) -> Path:
    """The demo's agent under a name that nobody ships."""
    shipped = (Path(__file__).parents[1] / "blueprints" / "loan_officer.yaml").read_text()
    file = tmp_path / "our_officer.yaml"
    file.write_text(shipped.replace("id: loan_officer", "id: our_officer"))
    return file


@dataclass(frozen=True)
class Told:
    """The demo's story, as it went on one set of addresses."""

    first: Turn
    decided: Override
    second: Turn
    lines: list[TrailLine]
    verified: audit.Verification
    units: list[float]
    """What the store charged for each turn."""


async def played(tenant: str) -> Told:
    """The demo's two turns and the decision between them, at the stores that the environment names."""
    told = story.read()
    async with Emma.open(settings.load(), clock=lambda: NOW) as emma:
        asking = emma.tenant(tenant, user=told.asked_by.user)
        deciding = emma.tenant(tenant, user=told.decided_by.user, roles=[told.decided_by.role])
        said: dict[str, Any] = {"facts": told.facts, "conversation": "c-demo", "as_of": NOW.date()}
        first = await asking.ask("our_officer", told.words, **said)
        decided = await deciding.decide(first.overrides[0].id, "granted", reasons=told.reasons)
        second = await asking.ask("our_officer", told.words, **said)
        trail = await asking.trail()
        await emma._errands.finish()
        telemetry = [await trail.get(metering.KIND, turn.id) for turn in (first, second)]
        units = [float(str(kept.body["store_units"])) for kept in telemetry if kept]
        return Told(first, decided, second, await trail.lines(), await audit.verify_trail(trail), units)


def settled(told: Told) -> bytes:
    """Findings, overrides, verdicts and needs, as bytes."""
    turns = [
        [turn.verdict, *([each.plain() for each in some] for some in (turn.findings, turn.overrides, turn.needs))]
        for turn in (told.first, told.second)
    ]
    return canonical.text([turns, told.decided.plain()]).encode()


def sealed(told: Told) -> list[Any]:
    """Of each line in order: its kind, its outcome with the hashes of rules, and the hash of the facts beside it."""
    said = []
    for line in told.lines:
        outcome = json.loads(line.line)["outcome"]
        outcome.pop("model", None)
        body = json.loads(line.payload.body) if line.payload else {}
        said.append((line.kind, outcome, canonical.sha256(body.get("facts"))))
    return said


def test_the_central_sentence(
    azure: AzureSet, run: Run, officer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EMMA_STORE", f"sqlite:///{tmp_path}/emma.db")
    run("tenants", "create", "acme")
    run("blueprints", "publish", str(officer), "--label", "stable", "--tenant", "acme")
    embedded = asyncio.run(played("acme"))

    for name, value in azure.variables.items():
        monkeypatch.setenv(name, value)
    run("db", "upgrade")
    run("tenants", "create", "acme")
    published = json.loads(
        run("blueprints", "publish", str(officer), "--label", "stable", "--tenant", "acme", "--format", "json")
    )
    officer.unlink()
    on_azure = asyncio.run(played("acme"))

    shelf = azure.cosmos.databases["emma"]["agent-blueprints"]
    assert sum(len(part) for part in shelf.parts.values()) == 2, "the version and its label lie in Cosmos"
    assert published["hash"] == on_azure.first.blueprint_hash == embedded.first.blueprint_hash
    assert settled(on_azure) == settled(embedded)
    assert sealed(on_azure) == sealed(embedded)
    assert [line.kind for line in on_azure.lines] == [
        *("published", "published", "judged", "answered", "decided", "judged", "answered")
    ]
    assert (on_azure.first.verdict, on_azure.second.verdict) == ("needs_override", "clear")
    assert embedded.verified.ok and on_azure.verified.ok and on_azure.verified.lines == 7
    assert on_azure.first.answer is not None and on_azure.first.answer.text == WORDS
    assert on_azure.first.answer.model == "azure_openai:gpt-4o"
    assert [path.split("?")[0] for path, _ in azure.model.asked] == [
        "/openai/deployments/gpt-4o/chat/completions",
        "/openai/deployments/gpt-4o/chat/completions",
    ]
    assert {"cosmos-key", "blobs-key"} <= set(azure.vault.asked)
    assert embedded.units == [0, 0]
    assert len(on_azure.units) == 2 and all(units > 0 for units in on_azure.units)
    print(f"\n{len(settled(on_azure)):,} bytes of findings and overrides equal, {len(on_azure.lines)} lines alike")
    print(f"request units of the two turns, as the fake counts: {on_azure.units}")


def test_on_every_azure_address_a_tenant_leaves_nothing_behind(
    azure: AzureSet, run: Run, officer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in {**azure.variables, "EMMA_RETAIN_OFFBOARDED_DAYS": "0"}.items():
        monkeypatch.setenv(name, value)
    run("db", "upgrade")
    for tenant in ("acme", "acme2"):
        run("tenants", "create", tenant)
        run("blueprints", "publish", str(officer), "--label", "stable", "--tenant", tenant)
        asyncio.run(played(tenant))
        asyncio.run(with_content(tenant))
    assert all(held(azure, "acme").values()) and all(held(azure, "acme2").values())

    run("tenants", "offboard", "acme")
    done = json.loads(run("db", "retain", "--format", "json"))

    [proof] = done["proofs"]
    assert not any(count for place in proof["after"].values() for count in place.values())
    was = {name: any(place.values()) for name, place in proof["before"].items()}
    assert [name for name, held_any in was.items() if not held_any] == ["jobs"], "this tenant started none"
    assert set(held(azure, "acme").values()) == {0}, "as the servers themselves tell"
    assert all(held(azure, "acme2").values())
    assert run("audit", "verify", "--tenant", "acme2").startswith("ok")
    print(f"\nbefore {proof['before']}, after only zeros in {sorted(proof['after'])}")


async def with_content(tenant: str) -> None:
    """The tenant has content and something in the cache."""
    async with Emma.open(settings.load()) as emma:
        await emma._house.blobs.for_tenant(tenant).put(f"of {tenant}".encode(), kind="attachment")
        await emma._house.cache.for_tenant(tenant).put("k", b"v", seconds=600)


def held(azure: AzureSet, tenant: str) -> dict[str, int]:
    """How much of the tenant the servers themselves hold, asked past Emma."""
    import socket

    from azure.storage.blob import ContainerClient

    items = sum(
        record.now is not None
        for container in azure.cosmos.databases["emma"].values()
        for key, part in container.parts.items()
        for record in part.values()
        if tenant in key
    )
    rows = _rows(azure, tenant)
    with ContainerClient.from_connection_string(azure.azurite.connection_string, azure.container) as container:
        blobs = sum(1 for _ in container.list_blobs(name_starts_with=f"{tenant}/"))
    with socket.create_connection(("127.0.0.1", azure.valkey.port)) as connection:
        connection.sendall(f"KEYS *{tenant}[^0-9a-z]*\r\n".encode())
        keys = int(connection.recv(65_536).split(b"\r\n")[0][1:])
    return {"items in Cosmos": items, "rows in PostgreSQL": rows, "blobs": blobs, "keys in the cache": keys}


def _rows(azure: AzureSet, tenant: str) -> int:
    """Rows that name the tenant, in every table that has a tenant but the erasure ledger."""
    import psycopg

    with psycopg.connect(azure.database.superuser) as connection:
        tables = connection.execute(
            "SELECT table_name FROM information_schema.columns WHERE column_name = 'tenant' AND table_schema = 'public'"
        ).fetchall()
        return sum(
            connection.execute(f"SELECT count(*) FROM {name} WHERE tenant = %s", (tenant,)).fetchall()[0][0]
            for (name,) in tables
            if name != "erasures"
        )
