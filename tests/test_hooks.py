"""Holds each hook to what its section in docs/hooks.md says; the real packs use every one of them."""

from __future__ import annotations

from pathlib import Path

from emma_core import Emma, Settings, packs
from emma_core.testing import Says, ScriptedModel, ScriptedPack


def test_hook_register_content() -> None:
    found = packs.find()

    assert {model for pack in found.healthy() for model in pack.facts} >= {"mortgage.loan", "real_estate.listing"}
    assert set(found.blueprints()) == {"loan_officer", "listing_editor"}
    assert found.template("mortgage.dti_exception").granted_by == ("mortgage.senior_underwriter",)


def test_hook_register_functions() -> None:
    functions = {function.name: function for function in packs.find().need("mortgage").functions}

    assert "specific_business_days_between" in functions
    assert functions["specific_business_days_between"].params == ("date", "date")


def test_hook_register_extractors() -> None:
    read = [
        one for extractor in packs.find().need("mortgage").extractors for one in extractor("An FHA loan at 41% DTI")
    ]

    assert {one.fact: str(one.value) for one in read} == {"dti": "0.41", "loan_type": "fha"}


async def test_hook_register_readers(tmp_path: Path) -> None:
    readers = packs.find().readers()
    (tmp_path / "loans.csv").write_text("dti\n0.47\n")

    assert {"lar", "csv", "json_lines", "parquet"} <= set(readers)
    assert (readers["lar"].model, readers["csv"].model) == ("mortgage.lar", None)
    async with Emma.open(Settings(store=f"sqlite:///{tmp_path}/emma.db")) as emma:
        report = await emma.tenant("default").check(tmp_path / "loans.csv", rules="mortgage/lender_policy")
    assert (report.records, report.findings[0].record, report.findings[0].outcome) == (1, 1, "failed")


def test_hook_register_roles() -> None:
    roles = packs.find().roles()

    assert roles["mortgage.senior_underwriter"] == "Senior underwriter"
    assert all("." in role for role in roles)


async def test_hook_register_backends(tmp_path: Path) -> None:
    settings = Settings(store=f"sqlite:///{tmp_path}/emma.db", model="scripted:")
    async with Emma.open(settings, plugins={"scripted": ScriptedPack(ScriptedModel(Says("Yes [1].")))}) as emma:
        turn = await emma.tenant("default").ask("loan_officer", "Is 41% debt-to-income fine?")

    assert turn.answer is not None and turn.answer.model == "scripted:"
