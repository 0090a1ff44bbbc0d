"""Gives the tests of checks a pack of their own: a register of loans as it is filed, and a table of parcels."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from emma_mortgage.lar import ROW, SHEET, LarReader

from emma_core import Desk, Emma, Function, Report, Settings, hookimpl

READ_ON = "2026-11-23"
Check = Callable[..., Any]


def rule(id: str, require: str | None, passing: Any, failing: Any, **more: Any) -> dict[str, Any]:
    """A rule as an author writes it, with what every rule must have."""
    return {
        "id": id,
        "title": f"Title of {id.rpartition('.')[2]}",
        "text": "What holds.",
        "applies_to": ["record"],
        **({} if require is None else {"require": require}),
        "severity": "error",
        "message": f"It is not so: {id.rpartition('.')[2]}.",
        "source": {"kind": "standard", "citation": id.rpartition(".")[2].upper(), "read_on": READ_ON},
        "examples": {"pass": [passing], "fail": [failing]},
        **more,
    }


LAR_RULES = [
    rule("acme.hmda.s300", "record_id = '2'", {"record_id": "2"}, {"record_id": "1"}),
    rule(
        "acme.hmda.s300_ts",
        "ts_record_id = '1'",
        {"ts_record_id": "1"},
        {"ts_record_id": "2"},
        applies_to=["file"],
    ),
    rule("acme.hmda.s301", "lei = ts_lei", {"lei": "A", "ts_lei": "A"}, {"lei": "A", "ts_lei": "B"}),
    rule(
        "acme.hmda.s302",
        "ts_calendar_year = filing_year",
        {"ts_calendar_year": "2024", "filing_year": "2024"},
        {"ts_calendar_year": "2023", "filing_year": "2024"},
        applies_to=["file"],
    ),
    rule(
        "acme.hmda.s304",
        "is_integer(ts_lar_entries) AND number(ts_lar_entries) = count(*)",
        {"ts_lar_entries": "1", "rows": [{"uli": "a"}]},
        {"ts_lar_entries": "2", "rows": [{"uli": "a"}]},
        applies_to=["file"],
    ),
    rule(
        "acme.hmda.s306",
        None,
        {"rows": [{"action_taken": "1", "uli": "a"}, {"action_taken": "2", "uli": "a"}]},
        {"rows": [{"action_taken": "1", "uli": "a"}, {"action_taken": "1", "uli": "a"}]},
        applies_to=["file"],
        when="action_taken = '1'",
        unique=["uli"],
    ),
    rule(
        "acme.hmda.v610",
        "is_number(loan_amount) AND number(loan_amount) > 0",
        {"loan_amount": "0.5"},
        {"loan_amount": "0"},
        message="The amount is {loan_amount}.",
        suggestion="Write an amount.",
    ),
    rule(
        "acme.hmda.q650",
        "loan_type <> '4'",
        {"loan_type": "1"},
        {"loan_type": "4"},
        override_template="acme.verified",
    ),
    rule(
        "acme.hmda.v625",
        "in_table(tract, 'census_tract')",
        {"tract": "x"},
        {"tract": "y"},
    ),
]

PARCEL_FACTS = {
    "weight": {"type": "number", "title": "Weight"},
    "sent_on": {"type": "date", "title": "Day of sending"},
    "fragile": {"type": "bool", "title": "Fragile"},
    "label": {"type": "text", "title": "Label"},
    "kind": {"type": "text", "title": "Kind", "values": ["box", "roll"]},
    "marks": {"type": "list", "title": "Marks"},
}
PARCEL_RULES = [
    rule("acme.parcels.weight", "weight <= 30.5", {"weight": 30.5}, {"weight": 30.6}, message="{weight:.1f} kg."),
    rule("acme.parcels.label", "label <> ''", {"label": "x"}, {"label": ""}),
    rule(
        "acme.parcels.late",
        "weight <= 10",
        {"weight": 10},
        {"weight": 11},
        effective={"from": "2024-01-01"},
        severity="warning",
    ),
    rule(
        "acme.parcels.marked",
        "NOT fragile OR has(marks, 'glass')",
        {"fragile": True, "marks": ["glass"]},
        {"fragile": True, "marks": []},
    ),
]
LIFTABLE_RULES = [
    rule(
        "acme.second_look.amount",
        "is_number(loan_amount) AND number(loan_amount) < 1000",
        {"loan_amount": "5"},
        {"loan_amount": "1000"},
        override_template="acme.verified",
        message="The amount is {loan_amount}.",
    ),
    rule(
        "acme.second_look.agency",
        "ts_federal_agency <> '9'",
        {"ts_federal_agency": "x"},
        {"ts_federal_agency": "9"},
        applies_to=["file"],
        override_template="acme.verified",
    ),
    rule(
        "acme.second_look.share",
        "count(*) FILTER (WHERE loan_type = '4') * 2 <= count(*)",
        {"rows": [{"loan_type": "4"}, {"loan_type": "1"}]},
        {"rows": [{"loan_type": "4"}]},
        applies_to=["file"],
        override_template="acme.verified",
    ),
    rule(
        "acme.second_look.rate",
        "count(*) FILTER (WHERE loan_type = '2') <= 1",
        {"rows": [{"loan_type": "2"}]},
        {"rows": [{"loan_type": "2"}, {"loan_type": "2"}]},
        applies_to=["file"],
        override_template="acme.verified",
    ),
    rule(
        "acme.second_look.twice",
        None,
        {"rows": [{"uli": "a"}, {"uli": "b"}]},
        {"rows": [{"uli": "a"}, {"uli": "a"}]},
        applies_to=["file"],
        unique=["uli"],
        override_template="acme.verified",
    ),
    rule(
        "acme.second_look.purpose",
        "loan_purpose <> '5'",
        {"loan_purpose": "1"},
        {"loan_purpose": "5"},
        override_template="acme.two_people",
    ),
]
BROKEN_RULES = [
    rule("acme.broken.whole", "halved(label) <> 'zz' OR label = 'ok'", {"label": "aa"}, {"label": "zzzz"}),
    rule("acme.broken.plain", "label <> 'bb'", {"label": "aa"}, {"label": "bb"}),
]


def _halved(text: str) -> str:
    if len(text) % 2:
        raise ValueError("it is odd")
    return text[: len(text) // 2]


class Register(LarReader):
    """The register, as the facts model of these tests."""

    model = "acme.lar"


class Pack:
    """The pack of these tests."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @hookimpl
    def register_content(self) -> Path:
        """Rule sets over two facts models."""
        return self._folder

    @hookimpl
    def register_functions(self) -> list[Function]:
        """One that raises for texts of an odd length."""
        halves = ((("abcd",), "ab"),)
        return [Function(name="halved", params=("text",), returns="text", body=_halved, examples=halves, doc="A half.")]

    @hookimpl
    def register_readers(self) -> Mapping[str, Register]:
        """The register."""
        return {"register": Register()}

    @hookimpl
    def register_roles(self) -> Mapping[str, str]:
        """Who may lift a finding."""
        return {"acme.boss": "Boss"}


def _write_content(folder: Path) -> None:
    parcels = {"edition": "1", "facts": "acme.parcel", "as_of": "sent_on"}
    hmda = {"ruleset": "acme/hmda", "facts": "acme.lar", "missing": "failed", "rules": LAR_RULES}
    sets = {
        "hmda_2022": {**hmda, "edition": "2022"},
        "hmda_2024": {**hmda, "edition": "2024"},
        "second_look": {**hmda, "ruleset": "acme/second_look", "edition": "2024", "rules": LIFTABLE_RULES},
        "parcels": {"ruleset": "acme/parcels", **parcels, "rules": PARCEL_RULES},
        "broken": {"ruleset": "acme/broken", **parcels, "rules": BROKEN_RULES},
    }
    names = [*ROW, *(f"ts_{name}" for name in SHEET), "filing_year"]
    lar = {name: {"type": "text", "title": name} for name in names}
    lar["uli"]["names"] = "record"
    lar["ts_lei"]["names"] = lar["filing_year"]["names"] = "file"
    (folder / "override-templates").mkdir(parents=True)
    for name, each in sets.items():
        (folder / f"{name}.json").write_text(json.dumps(each))
    (folder / "index.json").write_text(json.dumps({"facts": {"acme.lar": lar, "acme.parcel": PARCEL_FACTS}}))
    front = "granted_by: [acme.boss]\nexpires: P30D\nfour_eyes: "
    (folder / "override-templates/verified.md").write_text(
        f"---\nid: acme.verified\ntitle: Verified\n{front}false\n---\n{{{{ finding.message }}}} It was looked at.\n"
    )
    (folder / "override-templates/two_people.md").write_text(
        f"---\nid: acme.two_people\ntitle: Seen by two\n{front}true\n---\nTwo looked at it.\n"
    )


@pytest.fixture
def desk(tmp_path: Path) -> Callable[..., AbstractAsyncContextManager[Desk]]:
    """Opens the desk of somebody at a tenant, which is made, with the pack of these tests."""
    folder = tmp_path / "content"
    _write_content(folder)

    @asynccontextmanager
    async def open_(user: str = "local", *roles: str, tenant: str = "default", **more: Any) -> AsyncIterator[Desk]:
        settings = Settings(store=f"sqlite:///{tmp_path}/emma.db")
        async with Emma.open(settings, plugins={"acme": Pack(folder)}, **more) as emma:
            assert emma.packs.by_name["acme"].problem is None
            if tenant not in {each.id for each in await emma.tenants()}:
                await emma.create_tenant(tenant)
            yield emma.tenant(tenant, user=user, roles=roles)

    return open_


@pytest.fixture
def check(desk: Callable[[], AbstractAsyncContextManager[Desk]]) -> Check:
    """The report of one check."""

    async def check_(source: object, rules: str = "acme/hmda@2024", **more: Any) -> Report:
        async with desk() as opened:
            return await opened.check(source, rules=rules, **more)

    return check_


@pytest.fixture
def kinds(desk: Callable[[], AbstractAsyncContextManager[Desk]]) -> Callable[[], Any]:
    """The kinds of the lines on the trail."""

    async def kinds_() -> list[str]:
        async with desk() as opened:
            return [line.kind for line in await (await opened.trail()).lines()]

    return kinds_


class Filing:
    """Builds registers."""

    def sheet(self, entries: int = 1, **more: str) -> str:
        """A transmittal sheet."""
        said = {"record_id": "1", "calendar_year": "2024", "lar_entries": str(entries), "lei": "LEI", **more}
        return "|".join(said.get(name, "x") for name in SHEET)

    def row(self, uli: str = "u", **more: str) -> str:
        """A loan row that fails nothing."""
        said = {"record_id": "2", "lei": "LEI", "uli": uli, "loan_amount": "5", "loan_type": "1", "action_taken": "3"}
        return "|".join({**said, **more}.get(name, "") for name in ROW)

    def lar(self, *rows: str, entries: int | None = None, **more: str) -> bytes:
        """A register."""
        lines = (self.sheet(len(rows) if entries is None else entries, **more), *rows)
        return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")


@pytest.fixture
def filing() -> Filing:
    """Builds registers."""
    return Filing()
