"""Shows that the contract notices a search service, and an index of ours, that does wrong."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from index_cases import apart as contract
from index_cases import samples as index_samples
from index_cases import verbs
from services.search_fake import SearchFake

from emma_core.backends.azure_search import filters, open_index, schema, tenant
from emma_core.errors import EmmaError

DIMENSION = 32
Case = Callable[[Any, int], Awaitable[None]]
NOTICED: dict[str, list[Case]] = {
    "ignores_filter": [
        contract.test_no_tenant_finds_what_another_has_however_near_it_is,
        contract.test_only_what_is_in_force_on_the_day_is_found,
        contract.test_a_reader_holds_one_label_of_a_chunk_or_does_not_see_it,
        contract.test_only_the_kinds_that_are_asked_for_are_found,
        verbs.test_what_is_removed_is_found_no_more_and_not_missed_twice,
    ],
    "ignores_tenant": [
        contract.test_no_tenant_finds_what_another_has_however_near_it_is,
        contract.test_a_purge_leaves_nothing_of_a_tenant_and_all_of_the_others,
        contract.test_nothing_of_a_forgotten_person_is_left_in_any_collection,
    ],
    "filters_afterwards": [
        contract.test_a_filter_is_applied_before_anything_is_ranked,
        contract.test_no_tenant_finds_what_another_has_however_near_it_is,
    ],
    "half_done": [
        verbs.test_a_chunk_is_found_by_its_words_and_by_nearness,
        verbs.test_what_is_removed_is_found_no_more_and_not_missed_twice,
        verbs.test_what_one_side_found_has_its_score_on_the_other,
    ],
}
CASES = [(mutation, case) for mutation, cases in NOTICED.items() for case in cases]


async def held(fake: SearchFake, case: Case) -> None:
    """The case of the contract, over an index of its own."""
    opened = open_index(fake.address("emma", more=f"&dimension={DIMENSION}&settle=0"))
    await opened.upgrade()
    await opened.open()
    try:
        await case(opened, DIMENSION)
    finally:
        await opened.close()


@pytest.mark.parametrize(("mutation", "case"), CASES, ids=lambda each: getattr(each, "__name__", each))
async def test_a_service_that_does_wrong_is_found_out(
    mutation: str, case: Case, fake: SearchFake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_samples, "PATIENCE", 2.0)
    setattr(fake.mutations, mutation, True)

    with pytest.raises((AssertionError, EmmaError, TimeoutError)):
        await held(fake, case)


OF_TENANT = filters.of_tenant
# The places where a tenant, a collection or a reader enters a request, each with one that lacks it. What an answer
# is held against is taken out, so that what is seen is the request's doing.
PLACES: dict[str, tuple[Any, str, Callable[..., Any], Case]] = {
    "tenant": (
        filters,
        "of_tenant",
        lambda tenant, type="", **equal: OF_TENANT("", type, **equal).replace("tenant eq ''", "tenant ne ''"),
        contract.test_no_tenant_finds_what_another_has_however_near_it_is,
    ),
    "key": (
        schema,
        "key",
        lambda tenant, collection, id: schema.canonical.sha256([collection, id]),
        contract.test_no_tenant_finds_what_another_has_however_near_it_is,
    ),
    "labels": (
        filters,
        "among",
        lambda name, values: f"{name} ne ''" if name != "label" else "label eq 'everyone'",
        contract.test_a_reader_holds_one_label_of_a_chunk_or_does_not_see_it,
    ),
    "quotes": (
        filters,
        "quoted",
        lambda value: f"'{value}'",
        contract.test_names_are_equal_or_are_not_whatever_they_hold,
    ),
    "escaped": (
        tenant,
        "_words",
        lambda words: words,
        lambda opened, dimension: verbs.test_no_question_is_read_as_a_language("( ) + |", opened, dimension),
    ),
}


@pytest.fixture
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of an answer is looked at."""
    monkeypatch.setattr(tenant.AzureSearchTenantIndex, "_own", lambda self, each, collection, filter: None)
    monkeypatch.setattr(tenant.AzureSearchTenantIndex, "_mine", lambda self, each: each)


@pytest.mark.usefixtures("unchecked")
async def test_an_honest_request_is_right_though_nobody_looks_at_the_answer(fake: SearchFake) -> None:
    await held(fake, contract.test_no_tenant_finds_what_another_has_however_near_it_is)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("place", PLACES)
async def test_a_request_that_lacks_its_guard_is_found_out(
    place: str, fake: SearchFake, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, name, wrong, case = PLACES[place]
    monkeypatch.setattr(index_samples, "PATIENCE", 2.0)
    monkeypatch.setattr(module, name, wrong)

    with pytest.raises((AssertionError, EmmaError, TimeoutError)):
        await held(fake, case)
