"""Holds overrides of a check's findings to it: bound to key, rule and values; lifted by sealed acts of people alone."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from emma_core import CallerError, Conflict, Forbidden, NotFound, TrailError, audit

ENGINES = ["closures", "polars"]
LOOK = "acme/second_look@2024"
AMOUNT = "acme.second_look.amount"
PURPOSE = "acme.second_look.purpose"
SEEN = {"reason": "held against the loan file"}


@pytest.fixture
def file(tmp_path, filing):
    """Writes a register of these rows."""

    def write(*rows, name="lar.txt", **more):
        path = tmp_path / name
        path.write_bytes(filing.lar(*rows, **more))
        return path

    return write


@pytest.fixture
def grant(desk):
    """Grants or refuses as mary, who may."""

    async def decide(decision="granted", user="mary", reasons=SEEN, **more):
        async with desk(user, "acme.boss") as opened:
            return await opened.decide_found(decision, reasons=reasons, **more)

    return decide


def states(report):
    """By record, how the lifting of what failed stands."""
    return {each.record: each.override.state for each in report.findings if each.override}


async def lines(desk, kind):
    async with desk() as opened:
        return [line for line in await (await opened.trail()).lines() if line.kind == kind]


@pytest.mark.parametrize("engine", ENGINES)
async def test_a_grant_of_a_rule_lifts_all_its_findings_in_the_next_check_which_still_says_that_they_failed(
    check, desk, grant, file, filing, engine
):
    path = file(*[filing.row(f"u{n}", loan_amount="1000") for n in range(3)], filing.row("v"))

    first = await check(path, LOOK, engine=engine)
    made = await grant(report=first.id, rules=AMOUNT)
    again = await check(path, LOOK, engine=engine)

    assert (first.verdict, states(first)) == ("needs_override", dict.fromkeys((1, 2, 3), "suggested"))
    assert [(each.rule, each.count) for each in first.overrides] == [(AMOUNT, 3)]
    assert (made.rules, made.decided_by, made.decided_as) == ({AMOUNT: 3}, "mary", "acme.boss")
    assert (again.verdict, states(again)) == ("clear", dict.fromkeys((1, 2, 3), "granted"))
    assert {each.outcome for each in again.findings} == {"failed"}
    assert {each.override.granted_by for each in again.findings} == {"mary"}
    assert [(each.failed, each.lifted) for each in again.counts] == [(3, 3)]
    assert again.overrides == ()
    assert len(await lines(desk, "decided")) == 1
    async with desk() as opened:
        assert (await audit.verify_trail(await opened.trail())).ok


@pytest.mark.parametrize(
    ("changed", "state"),
    [
        ({}, "granted"),
        ({"city": "Elsewhere"}, "granted"),
        ({"loan_amount": "1000.0"}, "suggested"),
        ({"loan_amount": "1001"}, "suggested"),
        ({"uli": "w"}, "suggested"),
    ],
)
async def test_a_grant_holds_in_a_corrected_file_while_the_values_that_the_rule_read_are_the_same(
    check, grant, file, filing, changed, state
):
    first = await check(file(filing.row("u", loan_amount="1000")), LOOK)
    await grant(report=first.id, rules=AMOUNT)

    mended = file(filing.row("a"), filing.row(**{"uli": "u", "loan_amount": "1000", **changed}), name="mended.txt")
    again = await check(mended, LOOK)

    assert states(again) == {2: state}
    assert again.verdict == ("clear" if state == "granted" else "needs_override")


async def test_one_finding_is_decided_by_its_id_alone(check, grant, file, filing):
    path = file(*[filing.row(f"u{n}", loan_amount="1000") for n in range(3)])
    first = await check(path, LOOK)

    made = await grant(override=first.findings[1].override.id[:12])
    again = await check(path, LOOK)

    assert made.rules == {AMOUNT: 1}
    assert states(again) == {1: "suggested", 2: "granted", 3: "suggested"}
    assert [(each.failed, each.lifted) for each in again.counts] == [(3, 1)]
    assert again.verdict == "needs_override"
    assert [each.count for each in again.overrides] == [2]


@pytest.mark.parametrize("engine", ENGINES)
async def test_what_stands_for_the_whole_is_bound_to_who_filed_for_which_year_and_to_its_own_totals(
    check, grant, file, filing, engine
):
    kinds = ("a", "4"), ("a", "4"), ("b", "2"), ("c", "2"), ("d", "4")
    rows = [filing.row(uli, loan_type=kind) for uli, kind in kinds]
    more = [filing.row("e", loan_type="1"), filing.row("f", loan_type="4"), filing.row("g", loan_type="4")]

    async def told(*rows, **sheet):
        report = await check(file(*rows, federal_agency="9", **sheet), LOOK, engine=engine)
        return {each.rule.rpartition(".")[2]: each.override.state for each in report.findings}

    first = await told(*rows)
    await grant(rules="*")

    assert first == dict.fromkeys(("agency", "share", "rate", "twice"), "suggested")
    assert await told(*rows[::-1], name="b.txt") == dict.fromkeys(first, "granted")
    assert await told(*rows, *more) == {**dict.fromkeys(first, "granted"), "share": "suggested"}
    assert (await told(*rows, filing.row("a", loan_type="4")))["twice"] == "suggested"
    assert set((await told(*rows, lei="OTHER")).values()) == {"suggested"}


async def test_a_record_without_a_key_is_bound_to_this_very_file(check, grant, file, filing):
    rows = [filing.row("", loan_amount="1000"), filing.row("", loan_amount="1000")]
    first = await check(file(*rows), LOOK)
    await grant(override=first.findings[0].override.id)

    same, other = await check(file(*rows), LOOK), await check(file(*rows, filing.row("x")), LOOK)

    assert states(same)[1] == "granted" and states(same)[2] == "suggested"
    assert states(other)[1] == states(other)[2] == "suggested"


async def test_a_rule_of_another_edition_is_another_rule(check, grant, file, filing):
    path = file(filing.row(loan_type="4"))
    first = await check(path, "acme/hmda@2024")
    await grant(report=first.id, rules="q650")

    assert states(await check(path, "acme/hmda@2024")) == {1: "granted"}
    assert states(await check(path, "acme/hmda@2022")) == {1: "suggested"}


async def test_a_limit_lists_fewer_and_suggests_and_lifts_all(check, grant, file, filing):
    path = file(*[filing.row(f"u{n}", loan_amount="1000") for n in range(5)])

    first = await check(path, LOOK, limit=0)
    await grant(report=first.id, rules=AMOUNT)
    again = await check(path, LOOK, limit=2)

    assert [each.count for each in first.overrides] == [5]
    assert (len(again.findings), again.verdict) == (2, "clear")
    assert [(each.failed, each.lifted) for each in again.counts] == [(5, 5)]


@pytest.mark.parametrize(
    ("user", "roles", "reasons", "raised", "said"),
    [
        ("mary", (), SEEN, Forbidden, "user 'mary' may not decide it; acme.boss may"),
        ("mary", ("acme.boss",), {}, CallerError, "'reason' is required"),
        ("mary", ("acme.boss",), {**SEEN, "mood": "good"}, CallerError, "no field 'mood'"),
        ("ana", ("acme.boss",), SEEN, Forbidden, "'ana' asked for it; another person must grant it"),
        ("local", ("acme.boss",), SEEN, Forbidden, "'local' asked for it; another person must grant it"),
    ],
)
async def test_a_decision_that_may_not_be_made_leaves_no_line(
    check, desk, file, filing, user, roles, reasons, raised, said
):
    path = file(filing.row(loan_purpose="5"))
    async with desk("ana") as opened:
        await opened.check(path, rules=LOOK)
    # the same suggestion of another file's check: who asked there asked for it too
    report = await check(file(filing.row(), filing.row(loan_purpose="5"), name="b.txt"), LOOK)

    async with desk(user, *roles) as opened:
        with pytest.raises(raised, match=said):
            await opened.decide_found("granted", reasons=reasons, report=report.id, rules=PURPOSE)

    assert await lines(desk, "decided") == []


@pytest.mark.parametrize(
    ("more", "raised", "said"),
    [
        ({"rules": "s300"}, NotFound, "suggested no override of 's300'; there are"),
        ({"rules": "*", "report": "k-nowhere"}, NotFound, "No one check is 'k-nowhere'"),
        ({"override": "abc"}, CallerError, "name at least 6 characters"),
        ({"override": "f" * 64}, NotFound, "0 overrides start so"),
        ({}, CallerError, "Nothing is named to decide"),
        ({"rules": "*"}, CallerError, "are lifted by other terms; decide one after the other"),
    ],
)
async def test_what_cannot_be_decided_is_one_clear_error(check, desk, grant, file, filing, more, raised, said):
    await check(file(filing.row(loan_purpose="5", loan_amount="1000")), LOOK)

    with pytest.raises(raised, match=said):
        await grant(**more)

    assert await lines(desk, "decided") == []


async def test_what_is_decided_once_is_not_decided_again_and_what_came_since_is(check, grant, file, filing):
    rows = [filing.row("a", loan_amount="1000"), filing.row("b", loan_amount="1000")]
    first = await check(file(*rows), LOOK)
    await grant("refused", report=first.id, rules=AMOUNT)
    with pytest.raises(Conflict, match="all of it was refused by 'mary' already"):
        await grant(report=first.id, rules=AMOUNT)

    second = await check(file(*rows, filing.row("c", loan_amount="1000")), LOOK)
    made = await grant(report=second.id, rules=AMOUNT)
    third = await check(file(*rows, filing.row("c", loan_amount="1000")), LOOK)

    assert made.rules == {AMOUNT: 1}
    assert states(third) == {1: "refused", 2: "refused", 3: "granted"}
    assert third.verdict == "needs_override"


async def test_a_grant_expires_and_may_be_granted_anew(check, desk, grant, file, filing):
    path = file(filing.row(loan_amount="1000"))
    await grant(report=(await check(path, LOOK)).id, rules=AMOUNT)

    def later():
        return datetime.now(UTC) + timedelta(days=31)

    async with desk("mary", "acme.boss", clock=later) as opened:
        over = await opened.check(path, rules=LOOK)
        await opened.decide_found("granted", reasons=SEEN, report=over.id, rules=AMOUNT)
        renewed = await opened.check(path, rules=LOOK)
    set_back = await check(path, LOOK)

    assert (states(over), over.verdict) == ({1: "expired"}, "needs_override")
    assert (states(renewed), renewed.verdict) == ({1: "granted"}, "clear")
    assert states(set_back) == {1: "granted"}


async def test_decisions_made_at_the_same_moment_leave_one(check, desk, file, filing):
    report = await check(file(filing.row(loan_amount="1000")), LOOK)

    async with desk("mary", "acme.boss") as opened:
        made = await asyncio.gather(
            *(opened.decide_found("granted", reasons=SEEN, report=report.id, rules=AMOUNT) for _ in range(8)),
            return_exceptions=True,
        )

    assert sum(isinstance(each, Conflict) for each in made) == 7
    assert len(await lines(desk, "decided")) == 1


async def test_the_sealed_line_proves_what_was_suggested_and_what_was_decided(
    check, desk, grant, file, filing, tmp_path
):
    path = file(*[filing.row(f"canary-key-{n}", loan_amount="1000") for n in range(3)], name="secret-name.txt")
    report = await check(path, LOOK)
    await grant(report=report.id, rules=AMOUNT)

    [checked], [decided] = await lines(desk, "checked"), await lines(desk, "decided")
    suggested = json.loads(checked.line)["outcome"]["overrides"]
    sealed, beside = json.loads(decided.line)["outcome"], json.loads(decided.payload.body)
    tree = audit.MerkleTree()
    for finding in report.findings:
        entry = [finding.override.id, finding.record, None]
        tree.add(json.dumps(entry, separators=(",", ":")).encode())
    assert tree.root() == suggested[0]["root"] == sealed["rules"][0]["root"] == report.overrides[0].root
    assert (sealed["check"], sealed["checked"], sealed["decision"]) == (report.id, checked.hash, "granted")
    assert sealed["rules"][0]["count"] == 3
    assert beside["findings"][AMOUNT] == [[each.override.id, each.record, None] for each in report.findings]
    assert [each.key for each in report.findings] == [f"canary-key-{n}" for n in range(3)]
    assert not any(b"canary-key" in each.read_bytes() for each in tmp_path.glob("emma.db*")), (
        "no key of a record is kept"
    )
    assert beside["decision"]["reasons"] == SEEN
    assert beside["words"][AMOUNT] == "The amount is 1000. It was looked at."
    for line in (checked, decided):
        assert "secret-name" not in line.line and "u1" not in line.line


async def test_only_a_sealed_act_lifts_and_one_that_was_changed_stops_the_check(
    check, desk, grant, file, filing, tmp_path
):
    path = file(filing.row("a", loan_amount="1000"))
    report = await check(path, LOOK)

    async with desk("mary", "acme.boss") as opened:  # what lies in documents lifts nothing
        store = await opened.trail()
        for document in await store.query("docket"):
            forged = document.body["entries"].replace(report.findings[0].override.id, "f" * 64)
            await store.put(document.model_copy(update={"body": {"entries": forged}}))
        with pytest.raises(TrailError, match="is not what was sealed"):
            await opened.decide_found("granted", reasons=SEEN, report=report.id, rules=AMOUNT)
    assert states(await check(path, LOOK)) == {1: "suggested"}  # and the check lays them out anew
    await grant(report=report.id, rules=AMOUNT)
    assert states(await check(path, LOOK)) == {1: "granted"}

    with closing(sqlite3.connect(tmp_path / "emma.db")) as database, database:
        changed = database.execute("UPDATE payloads SET body = substr(body, 1, 40) || lower(substr(body, 41))").rowcount
    assert changed
    with pytest.raises(TrailError, match="of the trail: its payload"):
        await check(path, LOOK)


async def test_an_act_whose_payload_is_gone_lifts_nothing(check, grant, file, filing, tmp_path):
    path = file(filing.row("a", loan_amount="1000"))
    await grant(report=(await check(path, LOOK)).id, rules=AMOUNT)
    with closing(sqlite3.connect(tmp_path / "emma.db")) as database, database:
        database.execute("DELETE FROM payloads WHERE seq = 2")

    assert states(await check(path, LOOK)) == {1: "suggested"}


async def test_a_check_whose_payload_or_suggestions_are_gone_can_be_decided_no_more_and_hides_no_other(
    check, desk, grant, file, filing, tmp_path
):
    erased = await check(file(filing.row("a", loan_amount="1000")), LOOK)
    forgotten = await check(file(filing.row("b", loan_amount="1000")), LOOK)
    with closing(sqlite3.connect(tmp_path / "emma.db")) as database, database:
        database.execute("DELETE FROM payloads WHERE seq = 1")
        database.execute("DELETE FROM documents WHERE in_group = ?", (forgotten.overrides[0].root,))
    last = await check(file(filing.row("c", loan_amount="1000")), LOOK)

    async with desk() as opened:
        assert [each.report for each in await opened.dockets()] == [last.id]
    with pytest.raises(NotFound, match="suggested no override"):
        await grant(report=erased.id, rules=AMOUNT)
    with pytest.raises(NotFound, match="check again"):
        await grant(report=forgotten.id, rules=AMOUNT)
    assert (await grant(report=last.id, rules=AMOUNT)).rules == {AMOUNT: 1}


async def test_what_checks_suggest_is_listed_once_with_what_was_decided_of_it(check, desk, grant, file, filing):
    rows = [filing.row("a", loan_amount="1000"), filing.row("b", loan_amount="1000")]
    await check(file(*rows), LOOK)
    second = await check(file(*rows), LOOK)
    await grant(override=second.findings[0].override.id)
    await grant("refused", user="sam", override=second.findings[1].override.id)
    third = await check(file(*rows, filing.row("c", loan_amount="1000")), LOOK)

    async with desk() as opened:
        found = await opened.dockets()

    assert [(each.report, each.waiting, each.granted, each.refused, each.decided_by) for each in found] == [
        (third.id, 1, 0, 0, ()),
        (second.id, 0, 1, 1, ("mary", "sam")),
    ]


async def test_many_findings_are_few_documents_and_one_line(check, desk, grant, file, filing):
    path = file(*[filing.row(f"u{n}", loan_amount="1000") for n in range(12_000)])

    report = await check(path, LOOK, limit=0)
    made = await grant(report=report.id, rules=AMOUNT)
    again = await check(path, LOOK, limit=0)

    assert made.rules == {AMOUNT: 12_000}
    assert (again.verdict, again.counts[0].lifted) == ("clear", 12_000)
    assert len(await lines(desk, "decided")) == 1
    async with desk() as opened:
        assert len(await (await opened.trail()).query("docket")) == 3


async def test_a_tenant_sees_and_lifts_nothing_of_another(check, desk, grant, file, filing):
    path = file(filing.row(loan_amount="1000"))
    report = await check(path, LOOK)
    await grant(report=report.id, rules=AMOUNT)

    async with desk("mary", "acme.boss", tenant="other") as stranger:
        assert await stranger.dockets() == []
        assert states(await stranger.check(path, rules=LOOK)) == {1: "suggested"}
        with pytest.raises(NotFound, match="No one check"):
            await stranger.decide_found("granted", reasons=SEEN, report=report.id, rules=AMOUNT)
