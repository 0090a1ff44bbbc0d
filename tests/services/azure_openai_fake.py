"""A protocol fake of Azure OpenAI: streams one answer to whoever asks a deployment for a chat completion."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "canary-key-of-azure-openai"
WORDS = "Not as it stands: what was asked for is above the limit [1]."


class AzureOpenAIFake:
    """A resource on a free loopback port, with any deployment that is asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        """The path and the body of every request, in order."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Answers", (_Answers,), {"fake": self}))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which LangChain finds the resource."""
        return {
            "AZURE_OPENAI_ENDPOINT": f"http://127.0.0.1:{self._server.server_port}",
            "AZURE_OPENAI_API_KEY": KEY,
            "OPENAI_API_VERSION": "2024-10-21",
        }

    def forget(self) -> None:
        """Nobody listens any more."""
        self._server.shutdown()
        self._server.server_close()


class _Answers(BaseHTTPRequestHandler):
    fake: AzureOpenAIFake

    def do_POST(self) -> None:
        """The words in three pieces, then what they cost where that was asked for."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.fake.asked.append((self.path, body))
        if self.headers["api-key"] != KEY:
            self._said(401, "application/json", b'{"error": {"code": "401", "message": "Access denied"}}')
            return
        third = len(WORDS) // 3
        pieces: list[dict[str, Any]] = [
            {"choices": [_choice({"role": "assistant", "content": part})]}
            for part in (WORDS[:third], WORDS[third : 2 * third], WORDS[2 * third :])
        ]
        pieces.append({"choices": [_choice({}, "stop")]})
        if body.get("stream_options", {}).get("include_usage"):
            used = {"prompt_tokens": 700, "completion_tokens": 15, "total_tokens": 715}
            pieces.append({"choices": [], "usage": used})
        known = {"id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": body["model"]}
        lines = [f"data: {json.dumps({**known, **piece})}\n\n" for piece in pieces]
        self._said(200, "text/event-stream", "".join([*lines, "data: [DONE]\n\n"]).encode())

    def _said(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is printed."""


def _choice(delta: dict[str, str], reason: str | None = None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "finish_reason": reason}
