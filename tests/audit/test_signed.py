"""Holds the tree, its paths and Ed25519 to published values, and to what other code says of random ones."""

from __future__ import annotations

import base64
import random

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from emma_core.audit import checkpoints, verifier

# The eight leaves and their roots of Certificate Transparency's reference tree tests, which RFC 6962 describes.
ENTRIES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
FIRST_OF_8 = [
    "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
    "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
]
SIX_TO_8 = [
    "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
    "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
]
LEAVES = [verifier.leaf_of(bytes.fromhex(entry)) for entry in ENTRIES]

# RFC 8032, section 7.1: the public key, the message and the signature of TEST 1, 2 and 3.
SIGNED = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555"
        "fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]


def root(leaves: list[bytes]) -> str:
    tree = verifier.MerkleTree()
    for leaf in leaves:
        tree.add_leaf(leaf)
    return tree.root()


def signed(leaves: list[bytes]) -> verifier.Checkpoint:
    return verifier.Checkpoint("emma/a", len(leaves), root(leaves), "", "")


def test_roots_are_those_that_were_published() -> None:
    assert root([]) == EMPTY
    assert [root(LEAVES[: size + 1]) for size in range(8)] == ROOTS


def test_paths_are_those_that_were_published() -> None:
    assert [each.hex() for each in checkpoints.included(LEAVES, 0)] == FIRST_OF_8
    assert [each.hex() for each in checkpoints.extended(LEAVES, 6)] == SIX_TO_8


@pytest.mark.parametrize("size", range(1, 20))
def test_every_leaf_is_proved_and_no_other_passes_for_it(size: int) -> None:
    leaves = [verifier.leaf_of(bytes([number])) for number in range(size)]
    for place in range(size):
        path = checkpoints.included(leaves, place)
        assert verifier.root_of(leaves[place], place, size, path) == root(leaves)
        for other in range(-1, size + 1):
            if other != place:
                assert verifier.root_of(leaves[place], other, size, path) != root(leaves)
        assert verifier.root_of(leaves[place], place, size, [*path, leaves[0]]) is None
        for cut in range(len(path)):
            assert verifier.root_of(leaves[place], place, size, path[:cut]) != root(leaves)


@pytest.mark.parametrize("size", range(1, 20))
def test_every_earlier_tree_is_shown_to_go_on_and_no_other(size: int) -> None:
    leaves = [verifier.leaf_of(bytes([number])) for number in range(size)]
    for first in range(1, size + 1):
        path = checkpoints.extended(leaves, first)
        assert verifier.extends(signed(leaves[:first]), signed(leaves), path)
        forked = [*leaves[: first - 1], verifier.leaf_of(b"another")]
        assert not verifier.extends(signed(forked), signed(leaves), path)
        for place in range(len(path)):
            spoilt = [*path[:place], bytes(32), *path[place + 1 :]]
            assert not verifier.extends(signed(leaves[:first]), signed(leaves), spoilt)
        assert not verifier.extends(signed(leaves[:first]), signed(leaves), [*path, bytes(32)])


@pytest.mark.parametrize(("public", "message", "signature"), SIGNED)
def test_signatures_are_those_of_rfc_8032(public: str, message: str, signature: str) -> None:
    key, said, sealed = (bytes.fromhex(each) for each in (public, message, signature))

    assert verifier.ed25519(key, said, sealed)
    assert not verifier.ed25519(key, said + b"x", sealed)
    for place in (0, 31, 32, 63):
        assert not verifier.ed25519(key, said, sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :])
    assert not verifier.ed25519(key, said, sealed[:63])


def test_a_signature_whose_number_is_too_large_is_none() -> None:
    key, message, signature = (bytes.fromhex(each) for each in SIGNED[1])
    order = 2**252 + 27742317777372353535851937790883648493
    larger = int.from_bytes(signature[32:], "little") + order

    assert not verifier.ed25519(key, message, signature[:32] + larger.to_bytes(32, "little"))


@given(seed=st.binary(min_size=32, max_size=32), message=st.binary(max_size=200), flip=st.integers(0, 511))
@settings(max_examples=15)
def test_a_signature_of_another_library_holds_and_one_with_a_bit_changed_does_not(
    seed: bytes, message: bytes, flip: int
) -> None:
    key = Ed25519PrivateKey.from_private_bytes(seed)
    public, signature = key.public_key().public_bytes_raw(), bytearray(key.sign(message))

    assert verifier.ed25519(public, message, bytes(signature))
    signature[flip // 8] ^= 1 << flip % 8
    assert not verifier.ed25519(public, message, bytes(signature))


def test_what_is_no_key_is_refused() -> None:
    good = f"emma+{'0' * 8}+{base64.b64encode(b'x' * 33).decode()}"

    for said in (good, "", "emma", "emma+12345678+", "emma+12345678+?"):
        with pytest.raises(ValueError):
            verifier.read_key(said)


def test_the_tree_holds_no_more_than_a_hash_a_level() -> None:
    tree = verifier.MerkleTree()
    for number in random.Random(6962).sample(range(2**16), 5000):
        tree.add(number.to_bytes(4, "big"))

    assert len(tree._peaks) == bin(5000).count("1")
