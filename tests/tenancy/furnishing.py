"""Makes a tenant with something of everything, and a clock that can be moved."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from emma_core import Emma
from emma_core.nouns import ApiKey, Document, Erasure, Member, RoleAssignment, Setting, Subscription

QUESTION = "Can we approve this at 47% debt-to-income on a conventional loan?"
OFFICER = ("mortgage.senior_underwriter",)


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now

    def on(self, **by: int) -> None:
        """It is so much later."""
        self.now += timedelta(**by)


async def furnish(emma: Emma, id: str) -> None:
    """The tenant is there, with a turn, a decision, a published agent, documents, rows, usage and content."""
    await emma.tenancy.create(id, f"{id} & Söhne", region="westeurope", plan="gold")
    desk = emma.tenant(id, user="ana")
    agent = emma.packs.blueprints()["loan_officer"].model_copy(update={"tests": (), "instructions": f"Only of {id}."})
    await desk.versions.publish(agent, label="stable")
    turn = await desk.ask("loan_officer", QUESTION, subject=f"person of {id}")
    decider = emma.tenant(id, user="sam", roles=OFFICER)
    reasons = {"reason": "strong file", "compensating_factors": "12 months"}
    await decider.decide(turn.overrides[0].id, "granted", reasons=reasons)
    await desk.check([{"dti": 0.5}, {"dti": 0.4}], rules="mortgage/lender_policy", engine="closures")
    store = emma._house.store.for_tenant(id)
    await store.put(
        Document(kind="näte/🏠", id="a'b\"c", body={"of": id, "n": 2**60, "x": 0.1}, group="g", subject="s")
    )
    await store.put(Document(kind="short", id="one", body={}, expires_at=emma._house.clock().timestamp() + 86_400 * 30))
    registry = emma._house.registry.for_tenant(id)
    now = emma._house.clock()
    for row in (
        Member(user="ana", title=f"Ana of {id}", since=now),
        RoleAssignment(user="ana", role=OFFICER[0], given_by="sam", given_at=now, until=now + timedelta(days=3)),
        Subscription(id="s-1", plan="gold", starts_on=now.date(), limits={"turns": 1000}),
        Setting(name="overrides.days", value={"n": [1, None, "é"]}, set_by="sam", set_at=now),
        ApiKey(id="k-1", hash="a" * 64, user="robot", roles=OFFICER, made_at=now),
        Erasure(id="e-1", subject_hash="b" * 64, at=now, by="sam", reason="asked for it"),
    ):
        await registry.put(row)
    blobs = emma._house.blobs.for_tenant(id)
    await blobs.put(f"content of {id}".encode(), kind="attachment", name="a.txt")
    await blobs.put(b"\0" * 70_000, kind="artifact")
    await emma._house.cache.for_tenant(id).put("k", b"v", seconds=600)
    await emma._errands.finish()
    await emma.tenancy.meter([id])


def sizes(manifest: Any) -> dict[str, str]:
    """By file of an export, its hash."""
    return {each.name: each.sha256 for each in manifest.files}
