"""The stand-in's HTTP server.

POST   /v1/chat/completions   answered by the next script, or else by the usual one
GET    /v1/models             the one model that it has
PUT    /sandbox/script        {"next": [script, …], "usual": script, "dialect": …}: names or objects
DELETE /sandbox/script        as at the beginning, questions forgotten
GET    /sandbox/questions     the questions so far: {"system", "data", "limit", "schema"}, never a key
"""

from __future__ import annotations

import hashlib
import json
import socket
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import Any

from sandbox.openai.script import SCRIPTS, Asked, Script, error

DIALECTS = ("any", "reasoning", "no_schema")
"""What it takes: anything; only max_completion_tokens, as models that reason; no response_format."""

_CHARACTERS_PER_TOKEN = 4


@dataclass(frozen=True)
class Question:
    """A question for the tests to look at. `key` is a digest of the key that came with it."""

    request: Mapping[str, Any]
    asked: Asked
    key: str

    def to_dict(self) -> dict[str, Any]:
        return {
            "system": self.asked.system,
            "data": self.asked.data,
            "limit": {name: self.request[name] for name in _LIMITS if name in self.request},
            "schema": self.request.get("response_format", {}).get("json_schema", {}).get("schema"),
        }


_LIMITS = ("max_tokens", "max_completion_tokens")


class StandIn:
    """The whole server: what it will say, and what it was asked."""

    def __init__(self, model: str = "sandbox-model") -> None:
        self.model = model
        self._lock = Lock()
        self.lifted = Event()
        """Ends the waits of all that think or drip."""
        self.reset()

    def reset(self) -> None:
        with self._lock:
            self._next: deque[Script] = deque()
            self._usual = SCRIPTS["sensible"]
            self.dialect = "any"
            self.questions: list[Question] = []

    def play(self, *scripts: str | Mapping[str, Any], usual: str | Mapping[str, Any] | None = None) -> None:
        """Say these next, in this order; after them `usual`.

        Raises:
            ValueError: there is no such script.
        """
        found = [Script.of(one) for one in scripts]
        after = Script.of(usual) if usual is not None else None
        with self._lock:
            self._next = deque(found)
            self._usual = after or self._usual

    def speak(self, dialect: str) -> None:
        if dialect not in DIALECTS:
            raise ValueError(f"no such dialect: {dialect}")
        self.dialect = dialect

    def ask(self, request: Mapping[str, Any], authorization: str) -> tuple[Script, Asked]:
        """The answer to one question. A question that is not taken counts as none."""
        complaint = self._complaint(request)
        if complaint is not None:
            return complaint, Asked("", "", authorization)
        texts = {str(one.get("role")): str(one.get("content")) for one in request["messages"]}
        asked = Asked(texts.get("system", ""), texts.get("user", ""), authorization)
        key = hashlib.sha256(authorization.removeprefix("Bearer ").encode()).hexdigest()
        with self._lock:
            self.questions.append(Question(request, asked, key))
            return (self._next.popleft() if self._next else self._usual), asked

    def completion(self, script: Script, asked: Asked) -> bytes:
        content = script.content(asked) if callable(script.content) else script.content
        message = {"role": "assistant", "content": content, "refusal": script.refusal}
        if script.tool_calls:
            message["tool_calls"] = script.tool_calls  # type: ignore[assignment]
        prompt = len(asked.system + asked.data) // _CHARACTERS_PER_TOKEN
        said = len(content or "") // _CHARACTERS_PER_TOKEN + 1
        took = {"prompt_tokens": prompt, "completion_tokens": said, "total_tokens": prompt + said}
        body: dict[str, Any] = {
            "id": "chatcmpl-sandbox",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": self.model,
            "choices": [
                {"index": index, "message": message, "logprobs": None, "finish_reason": script.finish}
                for index in range(script.choices)
            ],
        }
        if script.usage != {}:
            body["usage"] = dict(script.usage or took)
        return json.dumps(body).encode()

    def _complaint(self, request: Mapping[str, Any]) -> Script | None:
        """What OpenAI's server says of a request that it does not take; None when it does."""
        if not isinstance(request.get("messages"), list) or not request.get("model"):
            return _bad("you must provide a model and messages", "messages")
        if self.dialect == "reasoning" and "max_tokens" in request:
            return _bad(
                "Unsupported parameter: 'max_tokens' is not supported with this model. "
                "Use 'max_completion_tokens' instead.",
                "max_tokens",
                code="unsupported_parameter",
            )
        form = request.get("response_format")
        if form is not None and self.dialect == "no_schema":
            return _bad("This response_format type is unavailable now", "response_format")
        if form is not None:
            return _schema_complaint(form)
        return None


def _bad(message: str, param: str, *, code: str | None = None) -> Script:
    return Script(status=400, body=error("invalid_request_error", message, code=code, param=param))


def _schema_complaint(form: Mapping[str, Any]) -> Script | None:
    """Strict mode: each object names all of its fields as required, and allows no others."""

    def loose(part: Any) -> bool:
        if isinstance(part, list):
            return any(map(loose, part))
        if not isinstance(part, dict):
            return False
        if part.get("type") == "object" and (
            part.get("additionalProperties") is not False
            or sorted(part.get("required", [])) != sorted(part.get("properties", {}))
        ):
            return True
        return any(map(loose, part.values()))

    given = form.get("json_schema", {})
    if form.get("type") != "json_schema" or not given.get("name"):
        return _bad("Missing required parameter: 'response_format.json_schema.name'", "response_format")
    if given.get("strict") and loose(given.get("schema")):
        return _bad(
            "Invalid schema for response_format: 'additionalProperties' is required", "response_format"
        )
    return None


def serve(stand_in: StandIn, host: str = "127.0.0.1", port: int = 0) -> ThreadingHTTPServer:
    """Serve it in a thread. `.server_address` tells the port, `.shutdown()` and `.server_close()` end it."""
    server = _Listener((host, port), _handler(stand_in))
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    return server


class _Listener(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no fault of ours; anything else is shown."""
        import sys

        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


def _handler(stand_in: StandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            request = self._json()
            if not self.path.endswith("/chat/completions"):
                self._send(404, error("invalid_request_error", f"Unknown request URL: {self.path}").encode())
                return
            if request is None:
                self._send(400, error("invalid_request_error", "the body is not JSON").encode())
                return
            script, asked = stand_in.ask(request, self.headers.get("Authorization", ""))
            if script.seconds and stand_in.lifted.wait(script.seconds):
                self.close_connection = True
                return
            self._say(script, asked)

        def do_GET(self) -> None:
            if self.path == "/sandbox/questions":
                self._send_json([one.to_dict() for one in stand_in.questions])
            elif self.path.endswith("/models"):
                model = {"id": stand_in.model, "object": "model", "created": 0, "owned_by": "sandbox"}
                self._send_json({"object": "list", "data": [model]})
            else:
                self._send(404, error("invalid_request_error", f"Unknown request URL: {self.path}").encode())

        def do_PUT(self) -> None:
            told = self._json()
            if told is None or self.path != "/sandbox/script":
                self._send(404, b"{}")
                return
            try:
                stand_in.play(*told.get("next", []), usual=told.get("usual"))
                stand_in.speak(told.get("dialect", stand_in.dialect))
            except ValueError as fault:
                self._send(400, json.dumps({"error": str(fault)}).encode())
                return
            self._send_json({})

        def do_DELETE(self) -> None:
            self._json()
            stand_in.reset()
            self._send_json({})

        def _json(self) -> Any:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            try:
                return json.loads(body or b"{}")
            except ValueError:
                return None

        def _say(self, script: Script, asked: Asked) -> None:
            if script.cut == "before":
                self._hang_up()
                return
            if script.body is None:
                body = stand_in.completion(script, asked)
            else:
                body = (script.body(asked) if callable(script.body) else script.body).encode()
            if script.endless:
                self._endless()
            elif script.drip:
                self._drip(body, script.drip)
            elif script.cut == "midway":
                self._head(200, len(body))
                self.wfile.write(body[: len(body) // 2])
                self._hang_up()
            else:
                self._send(script.status, body, script.headers)

        def _drip(self, body: bytes, seconds: float) -> None:
            self._head(200, len(body))
            for at in range(len(body)):
                if stand_in.lifted.wait(seconds):
                    break
                self.wfile.write(body[at : at + 1])
                self.wfile.flush()
            self.close_connection = True

        def _endless(self) -> None:
            self._head(200, 10**12)
            while not stand_in.lifted.is_set():
                self.wfile.write(b" " * 65536)

        def _hang_up(self) -> None:
            self.close_connection = True
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)

        def _head(self, status: int, length: int, headers: Mapping[str, str] | None = None) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(length))
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.end_headers()

        def _send(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
            self._head(status, len(body), headers)
            self.wfile.write(body)

        def _send_json(self, value: Any) -> None:
            self._send(200, json.dumps(value).encode())

        def log_message(self, format: str, *args: object) -> None:
            """Requests are not logged: their headers hold a key."""

    return Handler
