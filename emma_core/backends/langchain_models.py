"""Speaks through any LangChain chat model by its name, such as `azure_openai:gpt-4o`."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from importlib.util import find_spec
from typing import Any
from urllib.parse import parse_qsl

from emma_core.errors import MissingExtra, ModelError
from emma_core.nouns import Message, Piece, Prompt, ToolCall, Usage


class LangChainModel:
    """A LangChain chat model behind the Model port; built at its first reply.

    What stands after `?` is handed to the provider, such as `?base_url=…&api_key={secret:openai-key}`, and is no part
    of the model's name. Raises `MissingExtra` where LangChain is not installed.
    """

    usd_per_token: float | None = None

    def __init__(self, address: str) -> None:
        if find_spec("langchain") is None:
            raise MissingExtra(f"Model {address!r}", "langchain")
        self.name, _, query = address.partition("?")
        self._given: dict[str, Any] = dict(parse_qsl(query, keep_blank_values=True))
        self._chat: Any = None

    async def reply(self, prompt: Prompt) -> AsyncIterator[Piece]:
        """The reply's pieces as the provider streams them. Raises `ModelError` with what the provider said."""
        chat = self._built()
        messages = [("system", prompt.system), *(_message(each) for each in prompt.messages)]
        whole: Any = None
        try:
            async for chunk in chat.astream(messages):
                whole = chunk if whole is None else whole + chunk
                if text := _text(chunk.content):
                    yield Piece(text=text)
        except Exception as error:  # every provider raises its own kinds
            said = f"{type(error).__name__}: {_first_line(error)}"
            raise ModelError(f"Model {self.name!r} does not answer: {said}") from error
        if whole is None:
            raise ModelError(f"Model {self.name!r} answered nothing")
        for call in whole.tool_calls:
            yield Piece(tool_call=ToolCall(id=call["id"] or call["name"], name=call["name"], arguments=call["args"]))
        if used := whole.usage_metadata:
            yield Piece(usage=Usage(input_tokens=used["input_tokens"], output_tokens=used["output_tokens"]))

    def _built(self) -> Any:
        if self._chat is None:
            from langchain.chat_models import init_chat_model

            try:
                self._chat = init_chat_model(self.name, **self._given)
            except Exception as error:  # an unknown provider, a missing package, a missing key: said in its own words
                said = _first_line(error).partition(". ")[0].rstrip(".")
                raise ModelError(
                    f"Model {self.name!r} cannot be built: {said}; name one as 'provider:model', or set 'offline:'"
                ) from error
        return self._chat


def _first_line(error: Exception) -> str:
    """The first line of what was raised: providers list all there is to know below it."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _text(content: Any) -> str:
    """The words of a chunk, whose content is a text or a list of blocks."""
    if isinstance(content, str):
        return content
    return "".join(block.get("text", "") for block in content if isinstance(block, dict))


def _message(message: Message) -> Any:
    from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

    if message.role == "user":
        return HumanMessage(message.text)
    if message.role == "tool":
        return ToolMessage(message.text, tool_call_id=message.tool_call_id)
    calls = [
        {"id": call.id, "name": call.name, "args": json.loads(json.dumps(call.arguments))}
        for call in message.tool_calls
    ]
    return AIMessage(message.text, tool_calls=calls)
