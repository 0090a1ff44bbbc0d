"""Holds the word index to finding texts by shared words, whatever is asked."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from emma_core.backends.word_index import WORDS, open_index
from emma_core.errors import OperatorError
from emma_core.ports import Words

TEXTS = {
    "dogs": "Dogs must be kept on a lead in every park of the city.",
    "cats": "Cats may roam; a cat needs no lead.",
    "noise": "Invisible characters and café noise in free text.",
    "it's; DROP TABLE words_0": "A strange id for umbrellas.",
}


@pytest.fixture
async def index() -> AsyncIterator[Words]:
    opened = open_index("memory:")
    await opened.put("rules", TEXTS)
    yield opened
    await opened.close()


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("Is my DOG allowed in the parks?", ["dogs"]),
        ("cat on a lead", ["cats", "dogs"]),
        ("the lead", ["cats", "dogs"]),
        ("cafe", ["noise"]),
        ("CAFÉ", ["noise"]),
        ("invisible_characters", ["noise"]),
        ("umbrella", ["it's; DROP TABLE words_0"]),
        ("zebra", []),
        ("on of the in a", []),
        ("", []),
        (" \n\t?!", []),
    ],
)
async def test_the_nearest_come_first_and_those_without_a_shared_word_not_at_all(
    index: Words, words: str, found: list[str]
) -> None:
    assert await index.search("rules", words, limit=10) == found


@pytest.mark.parametrize(
    "words",
    [
        'dog" OR "cat',
        "dog AND nothing",
        "NEAR(dog cat)",
        "id:dogs",
        "dog*",
        "-dog",
        "^dog",
        "{id text}: dog",
        "(dog",
        "do\0g dog",
    ],
)
async def test_nothing_that_is_asked_is_read_as_syntax(index: Words, words: str) -> None:
    assert "dogs" in await index.search("rules", words, limit=10) or words == "id:dogs"


async def test_a_collection_holds_exactly_what_was_put_last(index: Words) -> None:
    await index.put("rules", {"new": "Cats only."})

    assert await index.search("rules", "cats dogs", limit=10) == ["new"]
    await index.put("rules", {})
    assert await index.search("rules", "cats dogs", limit=10) == []


async def test_collections_share_neither_texts_nor_scores(index: Words) -> None:
    alone = await index.search("rules", "cat dog lead noise", limit=10)
    await index.put("a'; --", {f"x{number}": "cat lead " * 20 for number in range(50)})

    assert await index.search("rules", "cat dog lead noise", limit=10) == alone
    assert len(await index.search("a'; --", "cat", limit=100)) == 50
    assert await index.search("unknown", "cat", limit=10) == []


async def test_no_more_are_found_than_were_asked_for(index: Words) -> None:
    assert len(await index.search("rules", "lead", limit=1)) == 1
    assert await index.search("rules", "lead", limit=0) == []
    assert await index.search("rules", "lead", limit=-1) == []


async def test_a_question_of_a_million_characters_is_answered(index: Words) -> None:
    many = " ".join(f"word{number}" for number in range(100_000))

    assert await index.search("rules", "dog " * 250_000, limit=10) == ["dogs"]
    assert await index.search("rules", f"dog {many}", limit=10) == ["dogs"]
    assert await index.search("rules", "x" * 1_000_000, limit=10) == []
    first = " ".join(f"word{number}" for number in range(WORDS))
    assert await index.search("rules", f"{first} dog", limit=10) == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # searching changes nothing
@given(words=st.text(max_size=60))
@example(words="\ud800")
@example(words="ǅ İ ß ﬁ ½ ² ٣ \u0300 e\u0301")
async def test_any_text_may_be_asked(index: Words, words: str) -> None:
    assert set(await index.search("rules", words, limit=10)) <= set(TEXTS)


def test_an_address_that_is_no_memory_is_refused() -> None:
    with pytest.raises(OperatorError, match="'redis:' is not known here; write 'memory:'"):
        open_index("redis:")
