"""Holds packs to their own names: what one brought no other replaces, and a backend that breaks names its pack."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from emma_core import OperatorError, hookimpl
from emma_core import packs as loader

AGENT = "id: {id}\ntitle: T\ninstructions: Help.\nrules: {{use: [global/*]}}\n"
TEMPLATE = "---\nid: acme.t\ntitle: T\ngranted_by: [acme.boss]\n---\nWords"


class Bringing:
    """A pack of the content and the backends that a test gives it."""

    def __init__(self, *folders: Path, backends: Mapping[str, Any] | None = None) -> None:
        self.folders = folders
        self.backends = backends or {}

    @hookimpl
    def register_content(self) -> tuple[Path, ...]:
        return self.folders

    @hookimpl
    def register_roles(self) -> dict[str, str]:
        return {"acme.boss": "Boss"} if self.folders else {}

    @hookimpl
    def register_backends(self) -> Mapping[str, Any]:
        return self.backends


def agents(folder: Path, *ids: str) -> Path:
    """A content folder with blueprints of these ids."""
    folder.mkdir()
    for id in ids:
        (folder / f"{id}.yaml").write_text(AGENT.format(id=id))
    return folder


def test_a_shipped_blueprint_is_not_replaced(tmp_path: Path) -> None:
    found = loader.find({"acme": Bringing(agents(tmp_path / "content", "loan_officer"))})

    said = "Pack 'acme': blueprint 'loan_officer' is brought by pack 'global' already; give it another name"
    assert found.by_name["acme"].problem == said
    assert found.blueprints()["loan_officer"].packs == {"mortgage": ">=1,<2"}


def test_a_scheme_of_another_pack_is_not_taken() -> None:
    found = loader.find({"acme": Bringing(backends={"store": {"sqlite": print}, "model": {"mine": print}})})

    assert "store scheme 'sqlite' is brought by pack 'global'" in (found.by_name["acme"].problem or "")
    assert found.need("global").backends["store"]["sqlite"] is not print


def test_of_two_given_packs_the_later_is_the_unhealthy_one(tmp_path: Path) -> None:
    first, second = agents(tmp_path / "a", "helper_bot"), agents(tmp_path / "b", "helper_bot")
    found = loader.find({"zeta": Bringing(backends={"model": {"m": print}}), "acme": Bringing(first)})
    assert {"zeta", "acme"} <= {pack.name for pack in found.healthy()}

    again = loader.find({"acme": Bringing(first), "other": _Other(second)})
    assert again.by_name["acme"].healthy
    assert "blueprint 'helper_bot' is brought by pack 'acme'" in (again.by_name["other"].problem or "")


class _Other:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @hookimpl
    def register_content(self) -> Path:
        return self.folder


@pytest.mark.parametrize("name", ["mortgage", "global"])
def test_a_given_pack_does_not_take_the_name_of_an_installed_one(name: str) -> None:
    found = loader.find({name: Bringing()})

    problem = found.by_name[name].problem or ""
    assert f"Pack '{name}': it was given, and distribution 'emma-{name if name != 'global' else 'core'}'" in problem
    if name == "global":
        with pytest.raises(OperatorError, match="it was given"):
            found.backend("store", "sqlite:///x.db")


@pytest.mark.parametrize(
    ("path", "text", "said"),
    [
        ("override-templates/other.md", TEMPLATE, "override template 'acme.t' stands twice"),
        ("blueprints/mine.yaml", AGENT.format(id="mine"), "blueprint 'mine' stands twice"),
        ("roles.json", '{"roles": {"acme.boss": "Boss"}}', "role 'acme.boss' stands twice"),
    ],
)
def test_an_id_that_stands_twice_in_one_pack_is_refused(tmp_path: Path, path: str, text: str, said: str) -> None:
    folder = agents(tmp_path / "content", "mine")
    (folder / "override-templates").mkdir()
    (folder / "override-templates" / "t.md").write_text(TEMPLATE)
    (folder / path).parent.mkdir(exist_ok=True)
    (folder / path).write_text(text)

    assert said in (loader.find({"acme": Bringing(folder)}).by_name["acme"].problem or "")


def broken(address: str) -> None:
    """A factory that raises."""
    raise ValueError(f"nothing\nat {address}")


def leaving(address: str) -> None:
    """A factory that ends the process."""
    sys.exit(0)


@pytest.mark.parametrize(("make", "said"), [(broken, "ValueError: nothing at acme:x"), (leaving, "SystemExit: 0")])
def test_a_factory_that_raises_names_its_pack_its_port_and_the_address(make: Callable[[str], None], said: str) -> None:
    found = loader.find({"acme": Bringing(backends={"model": {"acme": make}})})

    with pytest.raises(OperatorError) as raised:
        found.backend("model", "acme:x")
    expected = f"Pack 'acme': its model for 'acme:x' cannot be made: {said}; mend the pack, or name another address"
    assert str(raised.value) == expected


def test_what_a_pack_prints_while_it_loads_stands_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    class Chatty:
        @hookimpl
        def register_roles(self) -> dict[str, str]:
            print("hello from acme")
            return {}

    loader.find({"acme": Chatty()})

    assert capsys.readouterr() == ("", "hello from acme\n")
