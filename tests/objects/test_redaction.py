"""Sends canary secrets through every flow, and looks for them in all that was said, logged and written."""

from __future__ import annotations

import base64
import json
import logging
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from services import Addresses, AzuriteServer, ValkeyServer
from services.key_vault_fake import HEADER, TOKEN, KeyVaultFake

from emma_core import Emma, EmmaError, Settings, StoreError, redaction
from emma_core.cli import main
from emma_core.testing import Fails, ScriptedModel, ScriptedPack

ASK = ("ask", "loan_officer", "Can we approve this at 47% debt-to-income on a conventional loan?")
NUMBERS = iter(range(1000))


def canary(sign: str = "") -> str:
    """A secret that stands nowhere else; `sign`: what it holds besides letters."""
    return f"canary{sign}{next(NUMBERS):03}{sign}c0ffee"


@pytest.mark.parametrize("secret", [canary(), canary("/+ä @:"), canary('"\\'), canary("\n"), canary("é🔑")])
@pytest.mark.parametrize(
    "spell",
    [
        *(str, quote, quote_plus, json.dumps, repr, ascii),
        lambda secret: quote(secret, safe=""),
        lambda secret: " ".join(secret.split()),
        lambda secret: base64.b64encode(secret.encode()).decode(),
    ],
)
def test_a_secret_is_masked_in_every_spelling(secret: str, spell: Callable[[str], str]) -> None:
    redaction.learn(secret)

    said = redaction.mask(f"it was <{spell(secret)}> in there")

    assert "canary" not in said and "***" in said
    assert said.startswith("it was <") and said.endswith("> in there")


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("redis://:hunter2@host:1/0", "redis://:***@host:1/0"),
        ("postgresql://emma:p:w/d@host/emma?sslmode=require", "postgresql://emma:***@host/emma?sslmode=require"),
        ("x azure-blob://a.b/c?tls=on&key=abc+/==&retries=1 y", "x azure-blob://a.b/c?tls=on&key=***&retries=1 y"),
        ("AccountName=acme;AccountKey=abc==;Suffix=x", "AccountName=acme;AccountKey=***;Suffix=x"),
        ("https://a.b/c?sv=2025&sig=abc%2F&se=9", "https://a.b/c?sv=2025&sig=***&se=9"),
        ("https://a.b/c?api_key=abc", "https://a.b/c?api_key=***"),
        ("redis://emma:{secret:pw}@host?key={secret:key}", "redis://emma:{secret:pw}@host?key={secret:key}"),
        ("sqlite:///.emma/emma.db", "sqlite:///.emma/emma.db"),
        ("https://host:443/path and a@b.c", "https://host:443/path and a@b.c"),
        ("dti <= 0.45; 47% [1]", "dti <= 0.45; 47% [1]"),
    ],
)
def test_an_address_is_masked_where_it_opens_something_and_nowhere_else(text: str, masked: str) -> None:
    assert redaction.mask(text) == masked


def test_what_is_too_short_to_be_told_from_a_word_masks_no_word() -> None:
    redaction.learn("loan")
    redaction.learn("")

    assert redaction.mask("a loan of the lender") == "a loan of the lender"


def test_an_error_shows_no_secret_however_it_is_shown() -> None:
    secret = canary()
    redaction.learn(secret)

    error = StoreError(f"Store 'x://{secret}' is away")

    assert secret not in f"{error} {error!s}"
    assert isinstance(error, EmmaError)


@pytest.fixture
def records() -> Iterator[list[logging.LogRecord]]:
    """All that is logged at DEBUG, as a handler that knows nothing of secrets gets it."""
    kept: list[logging.LogRecord] = []

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            kept.append(record)

    redaction.guard_logs()
    root, handler = logging.getLogger(), Keeping()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield kept
    root.removeHandler(handler)
    root.setLevel(level)


def shown(records: list[logging.LogRecord]) -> str:
    """The records as the usual formatter writes them."""
    return "\n".join(logging.Formatter("%(name)s %(message)s").format(each) for each in records)


def test_a_log_record_is_masked_whoever_logs_and_left_alone_where_it_shows_nothing(
    records: list[logging.LogRecord],
) -> None:
    secret = canary()
    redaction.learn(secret)
    logger = logging.getLogger("somebody.elses")
    logger.info("harmless %s of %d", "words", 7)
    logger.info("told %s", secret)
    logger.info(f"told {secret}")
    logger.info("%(key)s", {"key": secret})
    try:
        raise ValueError(f"with {secret}")
    except ValueError:
        logger.exception("went wrong")

    assert secret not in shown(records)
    assert "ValueError: with ***" in shown(records)
    assert (records[0].msg, records[0].args) == ("harmless %s of %d", ("words", 7))


def test_a_log_record_whose_arguments_do_not_fit_is_masked_too(records: list[logging.LogRecord]) -> None:
    secret = canary()
    redaction.learn(secret)

    logging.getLogger("somebody.elses").info("one %s", secret, secret)

    assert secret not in shown(records)
    redaction.guard_logs()
    redaction.guard_logs()


def leaks(canaries: Mapping[str, str], folder: Path, *said: str) -> dict[str, list[str]]:
    """Which canaries are found, by what opens them: in what was said, or in a file of the folder."""
    texts = {"said": "\n".join(said)}
    texts |= {str(path): path.read_bytes().decode(errors="replace") for path in folder.rglob("*") if path.is_file()}
    return {
        what: found
        for what, secret in canaries.items()
        if (found := [where for where, text in texts.items() if any(each in text for each in (secret, quote(secret)))])
    }


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own to stand in, with an embedded store."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EMMA_STORE", f"sqlite:///{tmp_path}/emma.db")
    monkeypatch.setenv("COLUMNS", "300")
    return tmp_path


def test_secrets_that_open_everything_show_in_nothing_that_is_said_logged_or_written(
    place: Path,
    vault: KeyVaultFake,
    azurite: AzuriteServer,
    own_valkey: ValkeyServer,
    records: list[logging.LogRecord],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    password = canary("-/ä")
    vault.secrets |= {"blob-key": azurite.key, "cache-password": password}
    own_valkey_user(own_valkey, password)
    account = f"azure-blob://127.0.0.1:{azurite.port}/{azurite.account}/redaction"
    monkeypatch.setenv("EMMA_SECRETS", vault.address)
    monkeypatch.setenv("EMMA_BLOBS", account + "?tls=off&retries=0&key={secret:blob-key}")
    monkeypatch.setenv("EMMA_CACHE", f"redis://emma:{{secret:cache-password}}@127.0.0.1:{own_valkey.port}/0?patience=9")
    monkeypatch.setenv("EMMA_ANSWER_CACHE_SECONDS", "60")
    (place / "rows.jsonl").write_text('{"dti": 0.5}\n')

    codes = {
        "upgrade": main(["db", "upgrade"]),
        "doctor": main(["doctor"]),
        "doctor in JSON": main(["doctor", "--format", "json"]),
        "ask": main([*ASK]),
        "check": main(["check", "rows.jsonl", "--rules", "mortgage/lender_policy"]),
        "audit": main(["audit", "show"]),
        "export": main(["audit", "export", "trail.jsonl"]),
        "tenants": main(["tenants", "list"]),
    }

    out, err = capfd.readouterr()
    assert codes == {**dict.fromkeys(codes, 0), "ask": 1, "check": 1}, err
    assert "lets this identity read" in out and f"127.0.0.1:{own_valkey.port} answers" in out
    assert {"azure", "asyncio", "httpx"} & {each.name.partition(".")[0] for each in records}
    canaries = {"vault": TOKEN, "identity": HEADER, "blobs": azurite.key, "cache": password}
    assert leaks(canaries, place, out, err, shown(records)) == {}


def test_a_databases_password_shows_in_nothing_that_is_said_logged_or_written(
    place: Path,
    database: Addresses,
    records: list[logging.LogRecord],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    passwords = {"app": canary("/ä@"), "owner": canary("-")}
    app = database.app.replace("@", ":{secret:app-password}@")
    monkeypatch.setenv("EMMA_STORE", app)
    monkeypatch.setenv("EMMA_DATABASE", app)
    monkeypatch.setenv("EMMA_DATABASE_OWNER", database.owner.replace("@", f":{passwords['owner']}@"))
    monkeypatch.setenv("APP_PASSWORD", passwords["app"])
    for name in ("psycopg", "sqlalchemy", "alembic"):
        monkeypatch.setattr(logging.getLogger(name), "level", logging.DEBUG)

    codes = [main([*words]) for words in (["db", "upgrade"], ASK, ["doctor"], ["tenants", "list"], ["db", "upgrade"])]

    out, err = capfd.readouterr()
    assert codes == [0, 1, 0, 0, 0], err
    assert {"psycopg", "sqlalchemy"} & {each.name.partition(".")[0] for each in records}
    assert leaks(passwords, place, out, err, shown(records)) == {}


def own_valkey_user(server: ValkeyServer, password: str) -> None:
    """The server lets nobody in but one user with that password."""
    secret = password.encode()
    parts = [b"ACL", b"SETUSER", b"emma", b"on", b">" + secret, b"~*", b"+@all"]
    said = b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.sendall(said)
        assert connection.recv(100) == b"+OK\r\n"


WRONG = {
    "store elsewhere": {"EMMA_STORE": "postgresql://emma:{canary}@127.0.0.1:9/emma"},
    "store without a driver": {"EMMA_STORE": "mongo://emma:{canary}@127.0.0.1:9/emma"},
    "store in Cosmos elsewhere": {"EMMA_STORE": "cosmos://127.0.0.1:9/emma?key={canary}A&tls=off"},
    "store in Cosmos with no key": {"EMMA_STORE": "cosmos://127.0.0.1:9/emma?key={canary}&tls=off"},
    "registry elsewhere": {"EMMA_DATABASE": "postgresql://emma:{canary}@127.0.0.1:9/emma"},
    "registry in the clear": {"EMMA_DATABASE": "postgresql://emma:{canary}@db.example.com/emma?sslmode=disable"},
    "blobs elsewhere": {"EMMA_BLOBS": "azure-blob://127.0.0.1:9/a/c?key={canary}&tls=off&retries=0"},
    "blobs that do not fit": {"EMMA_BLOBS": "azure-blob://127.0.0.1:9/c?key={canary}"},
    "cache elsewhere": {"EMMA_CACHE": "redis://emma:{canary}@127.0.0.1:9/0"},
    "cache in the clear": {"EMMA_CACHE": "redis://emma:{canary}@cache.example.com:9/0"},
    "cache that does not fit": {"EMMA_CACHE": "redis://emma:{canary}@127.0.0.1:nine/0"},
    "vault elsewhere": {"EMMA_SECRETS": "key-vault://emma:{canary}@127.0.0.1:9"},
    "index elsewhere": {"EMMA_INDEX": "nowhere://emma:{canary}@127.0.0.1:9"},
    "a secret whole": {"EMMA_STORE": "{secret:whole}", "WHOLE": "postgresql://emma:{canary}@127.0.0.1:9/emma"},
    "a secret that is no address": {"EMMA_CACHE": "{secret:whole}", "WHOLE": "{canary}"},
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_cannot_be_opened_is_told_without_what_would_open_it(
    place: Path,
    wrong: str,
    records: list[logging.LogRecord],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    secret = canary()
    for name, value in WRONG[wrong].items():
        monkeypatch.setenv(name, value.replace("{canary}", secret))

    codes = main([*ASK]), main(["doctor"]), main(["db", "upgrade"])

    out, err = capfd.readouterr()
    assert codes[0] in (1, 2), out + err  # 1: the cache is away and the verdict stands
    assert 70 not in codes, err
    assert leaks({wrong: secret}, place, out, err, shown(records)) == {}


async def test_a_model_that_quotes_its_key_tells_it_to_nobody(
    place: Path, records: list[logging.LogRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    key = canary("-")
    monkeypatch.setenv("ACME_MODEL_API_KEY", key)
    model = ScriptedModel(Fails(f"401: incorrect key {key} at https://emma:{key}@model.example.com?api-key={key}"))
    settings = Settings(store=f"sqlite:///{place}/emma.db", model="scripted:")

    async with Emma.open(settings, plugins={"scripted": ScriptedPack(model)}) as emma:
        turn = await emma.tenant("default").ask(*ASK[1:])

    assert turn.stopped is not None and "incorrect key ***" in turn.stopped
    assert leaks({"model": key}, place, turn.model_dump_json(), shown(records)) == {}


CARELESS = """
from emma_core import hookimpl

class Cache:
    def __init__(self, address):
        self.address = address
    async def open(self):
        raise RuntimeError(f"cannot reach {self.address}")
    async def close(self):
        return None

@hookimpl
def register_backends():
    return {"cache": {"careless": Cache}}
"""


def test_a_traceback_that_the_command_shows_is_masked(
    place: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    secret = canary("-")

    info = place / "site" / "emma_careless-0.1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: emma-careless\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text("[emma]\ncareless = emma_careless\n")
    (place / "site" / "emma_careless.py").write_text(CARELESS)
    monkeypatch.syspath_prepend(str(place / "site"))
    monkeypatch.setenv("EMMA_CACHE", f"careless://emma:{secret}@host")

    code = main([*ASK])

    out, err = capfd.readouterr()
    assert code == 70
    assert "RuntimeError: cannot reach careless://emma:***@host" in err
    assert leaks({"cache": secret}, place, out, err) == {}


def test_the_folder_a_shell_stands_in_is_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PWD", "OLDPWD"):
        monkeypatch.setenv(name, "/srv/a-folder-of-the-shell")
    monkeypatch.setenv("SOME_PWD", "a-password-of-somebody")

    redaction.learn_environment()

    said = redaction.mask("/srv/a-folder-of-the-shell/emma.db opens by a-password-of-somebody")
    assert said == "/srv/a-folder-of-the-shell/emma.db opens by ***"
