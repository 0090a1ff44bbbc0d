"""Holds LangChain's models to the Model port, over the wire, against a small local server."""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from emma_core import BlueprintError, Emma, MissingExtra, ModelError, Settings
from emma_core.backends.langchain_models import LangChainModel


class ChatCompletions(BaseHTTPRequestHandler):
    """Speaks just enough of the chat completions protocol to stream one reply."""

    asked: list[dict[str, Any]]
    keys: list[str]
    reply = "It is above the limit [1]."
    status = 200

    def do_POST(self) -> None:
        """One streamed completion, or the status that the test set."""
        self.keys.append(self.headers["Authorization"])
        self.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        if self.status != 200:
            body = b'{"error": {"message": "no quota left"}}'
            self.send_response(self.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for word in self.reply.split(" "):
            self._event({"choices": [{"index": 0, "delta": {"role": "assistant", "content": f"{word} "}}]})
        self._event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        used = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
        self._event({"choices": [], "usage": used})
        self.wfile.write(b"data: [DONE]\n\n")

    def _event(self, said: dict[str, Any]) -> None:
        whole = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "m", **said}
        self.wfile.write(f"data: {json.dumps(whole)}\n\n".encode())

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the test reads what was asked."""


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[ChatCompletions]]:
    handler = type("Handler", (ChatCompletions,), {"asked": [], "keys": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("OPENAI_API_KEY", "not-a-key")
    monkeypatch.setenv("OPENAI_API_BASE", f"http://127.0.0.1:{server.server_port}/v1")
    monkeypatch.setenv("OPENAI_MAX_RETRIES", "0")
    yield handler
    server.shutdown()
    thread.join()
    server.server_close()


async def test_a_langchain_model_speaks_behind_the_port(provider: type[ChatCompletions], tmp_path: Path) -> None:
    settings = Settings(store=f"sqlite:///{tmp_path}/emma.db", model="openai:gpt-4o")
    async with Emma.open(settings) as emma:
        turn = await emma.tenant("default").ask("loan_officer", "Is 47% debt-to-income fine?")

    assert turn.answer is not None
    assert turn.answer.text.strip() == ChatCompletions.reply
    assert (turn.answer.usage.input_tokens, turn.answer.usage.output_tokens) == (7, 5)
    assert turn.answer.model == "openai:gpt-4o"
    assert "Verdict: needs_override" in provider.asked[0]["messages"][0]["content"]


async def test_a_provider_that_refuses_stops_the_turn_in_its_own_words(
    provider: type[ChatCompletions], tmp_path: Path
) -> None:
    provider.status = 400
    settings = Settings(store=f"sqlite:///{tmp_path}/emma.db", model="openai:gpt-4o")
    async with Emma.open(settings) as emma:
        turn = await emma.tenant("default").ask("loan_officer", "Is 47% debt-to-income fine?")

    assert turn.verdict == "needs_override"
    assert turn.stopped is not None and "no quota left" in turn.stopped


@pytest.mark.parametrize("name", ["nonsense:gpt-4o", "gpt5"])
async def test_a_name_that_no_provider_answers_to_is_a_model_error(tmp_path: Path, name: str) -> None:
    settings = Settings(store=f"sqlite:///{tmp_path}/emma.db", model=name)
    async with Emma.open(settings) as emma:
        turn = await emma.tenant("default").ask("loan_officer", "Is 47% debt-to-income fine?")

    assert turn.stopped is not None and f"{name!r} cannot be built" in turn.stopped
    assert "\n" not in turn.stopped and len(turn.stopped) < 200, "all providers there are were listed"
    assert issubclass(ModelError, Exception) and issubclass(MissingExtra, Exception)
    assert LangChainModel(name).name == name


async def test_what_a_provider_needs_stands_in_the_address_and_its_key_in_a_secret(
    provider: type[ChatCompletions], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODEL_KEY", "canary/key+of the model")
    base = os.environ["OPENAI_API_BASE"]
    monkeypatch.delenv("OPENAI_API_BASE")
    monkeypatch.delenv("OPENAI_API_KEY")
    address = f"openai:gpt-4o?base_url={base}&temperature=0.2&api_key={{secret:model-key}}"
    async with Emma.open(Settings(store=f"sqlite:///{tmp_path}/emma.db", model=address)) as emma:
        turn = await emma.tenant("default").ask("loan_officer", "Is 47% debt-to-income fine?")

    assert turn.answer is not None, turn.stopped
    assert turn.answer.model == "openai:gpt-4o"
    assert provider.keys == ["Bearer canary/key+of the model"]
    assert provider.asked[0]["temperature"] == 0.2
    assert "canary" not in turn.model_dump_json()


async def test_a_blueprint_names_a_model_and_not_where_it_is(provider: type[ChatCompletions], tmp_path: Path) -> None:
    shipped = (Path(__file__).parents[2] / "blueprints" / "loan_officer.yaml").read_text()
    elsewhere = "model: 'openai:gpt-4o?base_url=http://127.0.0.1:9/v1'"
    mine = re.sub(r"^model: .*$", elsewhere, shipped.replace("id: loan_officer", "id: mine"), flags=re.MULTILINE)
    (tmp_path / "mine.yaml").write_text(mine if elsewhere in mine else f"{mine}\n{elsewhere}\n")
    settings = Settings(store=f"sqlite:///{tmp_path}/emma.db", blueprints=tmp_path)
    async with Emma.open(settings) as emma:
        with pytest.raises(BlueprintError, match="only EMMA_MODEL may say more than a name"):
            await emma.tenant("default").ask("mine", "Is 47% debt-to-income fine?")

    assert provider.asked == []
