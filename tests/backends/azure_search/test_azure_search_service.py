"""Holds the index to what a search service can do to it: storms, lost answers, wrong keys, strange addresses."""

from __future__ import annotations

import re

import pytest
from index_cases.samples import ANY, ask, by_nearness, by_words, found, id_of, passage, put, vectors_of
from services.search_fake import KEY, SearchFake, indexes

from emma_core.backends.azure_search import AzureSearchIndex, open_index
from emma_core.backends.azure_search import tenant as azure_tenant
from emma_core.backends.azure_search.filters import among
from emma_core.backends.azure_search.tenant import AzureSearchTenantIndex
from emma_core.errors import CallerError, EmmaError, StoreError
from emma_core.nouns import EVERYONE, Filter

DIMENSION = 32
SAYING = [passage(f"p{n}", f"house number {n}") for n in range(12)]


async def opened(fake: SearchFake, more: str = "") -> AzureSearchIndex:
    index = open_index(fake.address("emma", more=f"&dimension={DIMENSION}&settle=0{more}"))
    await index.upgrade()
    await index.open()
    return index


@pytest.mark.parametrize("status", [429, 503])
async def test_a_storm_of_refusals_is_waited_for(status: int, fake: SearchFake) -> None:
    index = await opened(fake)
    handle = index.for_tenant("a")

    fake.storm, fake.storm_status = 3, status
    await put(handle, SAYING, DIMENSION)
    fake.storm = 3
    hits = await ask(handle, "house", DIMENSION, limit=20)

    assert len(by_words(hits)) == len(by_nearness(hits)) == 12
    await index.close()


async def test_a_storm_that_does_not_end_is_one_error_that_says_what_to_do(fake: SearchFake) -> None:
    index = await opened(fake)

    fake.storm = 100
    with pytest.raises(StoreError, match="asked more than it can"):
        await index.for_tenant("a").search("c", "house", filter=ANY, limit=3)
    fake.storm = 0
    await index.close()


async def test_documents_that_are_put_off_one_by_one_are_sent_again(fake: SearchFake) -> None:
    index = await opened(fake)
    handle = index.for_tenant("a")

    await handle.write("c", SAYING[:1], vectors_of(SAYING[:1], DIMENSION))
    fake.failing = 5
    await put(handle, SAYING, DIMENSION)

    assert len(await handle.ids("c")) == 12
    batches = [body for _, path, body in fake.requests if path.endswith("/docs/search.index")]
    # that there is such a collection, the first, all of them, and what of those was put off
    assert [body.count('"key"') for body in batches] == [1, 1, 12, 5]
    await index.close()


async def test_a_batch_whose_answer_was_lost_is_sent_again_and_doubles_nothing(fake: SearchFake) -> None:
    index = await opened(fake)
    handle = index.for_tenant("a")

    fake.lost = 1
    await put(handle, SAYING, DIMENSION)

    assert len(await handle.ids("c")) == 12
    await index.close()


async def test_a_service_that_is_away_is_one_error(fake: SearchFake) -> None:
    index = await opened(fake)
    fake.away = True

    with pytest.raises(StoreError, match="does not answer"):
        await index.for_tenant("a").ids("c")

    fake.away = False
    await index.close()
    with pytest.raises(StoreError, match="is not open"):
        await index.for_tenant("a").ids("c")


async def test_a_wrong_key_is_refused_and_never_shown(fake: SearchFake) -> None:
    await (await opened(fake)).close()
    index = open_index(fake.address("emma", key="canary-key"))

    with pytest.raises(StoreError, match="copy the key again") as refused:
        await index.open()
    with pytest.raises(StoreError, match="copy the key again"):
        await index.upgrade()

    assert "canary" not in str(refused.value) + repr(index) + repr(vars(index))


async def test_what_is_not_set_up_says_how(fake: SearchFake) -> None:
    index = open_index(fake.address("emma"))

    with pytest.raises(StoreError, match="run: emma db upgrade"):
        await index.open()


async def test_a_document_without_tenant_or_label_is_seen_by_nobody(fake: SearchFake) -> None:
    index = await opened(fake)
    handle = index.for_tenant("a")
    await put(handle, SAYING[:1], DIMENSION)
    service = fake.indexes[fake.aliases["emma"]]
    whole = next(each for each in service.documents.values() if each["type"] == "chunk")

    for number, missing in enumerate(["tenant", "labels", "collection", "type"]):
        document = {name: value for name, value in whole.items() if name != missing}
        service.batch([{**document, "key": f"stray{number}", "id": id_of(f"stray{number}")}], 0)

    assert found(await ask(handle, "house number 0", DIMENSION)) == {"p0"}
    for other in ("aa", "b"):
        assert found(await ask(index.for_tenant(other), "house number 0", DIMENSION)) == set()
    await index.close()


async def test_the_ranker_of_the_service_orders_what_it_is_given(fake: SearchFake) -> None:
    index = await opened(fake, "&semantic=on")
    handle = index.for_tenant("a")
    assert isinstance(handle, AzureSearchTenantIndex)
    texts = {"one": "fees", "two": "recording fees rise", "hidden": "recording fees rise by how much"}
    chunks = [passage(id, text, labels=("x",) if id == "hidden" else (EVERYONE,)) for id, text in texts.items()]
    await put(handle, chunks, DIMENSION)
    await put(index.for_tenant("aa"), [passage("two", "recording fees")], DIMENSION)

    ids = [id_of(name) for name in texts]
    scores = await handle.rerank("c", "recording fees rise", ids, filter=ANY)

    assert scores == {id_of("two"): 4.0, id_of("one"): pytest.approx(4 / 3)}
    assert await handle.rerank("c", "?", ids, filter=ANY) == {}
    assert await handle.rerank("c", "fees", ids, filter=Filter(labels=frozenset())) == {}
    await index.close()


async def test_a_passage_that_is_too_large_is_the_callers(fake: SearchFake, monkeypatch: pytest.MonkeyPatch) -> None:
    index = await opened(fake)
    monkeypatch.setattr(indexes, "MOST_BYTES", 50_000)
    monkeypatch.setattr(azure_tenant, "BATCH_BYTES", 20_000)
    large = [passage("small", "a house"), passage("large", "x " * 30_000)]

    with pytest.raises(CallerError, match="smaller ones"):
        await index.for_tenant("a").write("c", large)

    await index.close()


@pytest.mark.parametrize(
    ("address", "wrong"),
    [
        ("azure-search://x.search.windows.net", "names no index"),
        ("azure-search://x.search.windows.net/Emma", "names no index"),
        ("azure-search://x.search.windows.net/e--a", "names no index"),
        ("azure-search:///emma", "names no index"),
        ("azure-search://x.search.windows.net/emma?kee=secret", "an option that is none"),
        ("azure-search://x.search.windows.net/emma?tls=off&key=secret", "only loopback"),
        ("azure-search://127.0.0.1:80/emma?tls=off", "nobody can sign in"),
        ("azure-search://127.0.0.1:port/emma", "cannot be read"),
        ("azure-search://secret@x.search.windows.net/emma", "behind '\\?key='"),
        ("azure-search://x.search.windows.net/emma?key=sec%0Aret", "its key is none"),
        ("azure-search://x.search.windows.net/emma?dimension=1", "from 2 to 4096"),
        ("azure-search://x.search.windows.net/emma?dimension=-5", "from 2 to 4096"),
        ("azure-search://x.search.windows.net/emma?semantic=yes", "write 'on' or 'off'"),
    ],
)
def test_an_address_that_is_none_says_what_to_write(address: str, wrong: str) -> None:
    with pytest.raises(EmmaError, match=wrong) as refused:
        open_index(address)

    assert "secret" not in str(refused.value).replace("{secret:NAME}", "")


def test_a_list_is_parted_by_a_sign_that_none_of_its_values_holds() -> None:
    assert among("kind", ["b", "a"]) == "search.in(kind, 'a|b', '|')"
    assert among("kind", ["a|b", "it's"]) == "search.in(kind, 'a|b,it''s', ',')"
    every = "".join(map(chr, range(32, 0x2600)))
    assert among("kind", [every]).startswith("(kind eq '")
    assert among("kind", ["", "a"]) == "(kind eq '' or kind eq 'a')"


async def test_nothing_that_is_sent_names_a_key_but_its_header(fake: SearchFake) -> None:
    index = await opened(fake)
    await put(index.for_tenant("a"), SAYING, DIMENSION)

    assert not [path for _, path, body in fake.requests if KEY in path + body]
    asked = [body for _, path, body in fake.requests if "search.post" in path]
    filters = [re.search(r'"filter": ?"(.*?)"', body) for body in asked]
    assert all(each and each[1].startswith("tenant eq '") for each in filters)
    await index.close()
