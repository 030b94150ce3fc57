"""One question to an OpenAI-compatible API, which always comes back in time: with an answer, or why not.

Only `chat.completions` is used, which every such server has. What servers differ in is met here: the name of
the limit of tokens, the usage that some do not tell, and a schema that some do not keep to.
"""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Event
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, SecretStr, ValidationError

from medialift.healing.model.answer import Refused, Why
from medialift.healing.model.prompt import Messages

if TYPE_CHECKING:
    import openai

_LONGEST = 1_000_000
"""Bytes of an answer that are read."""
_RETRIES = 1
_PAUSE_SECONDS = 2.0
_LISTEN_SECONDS = 0.1
_NO_KEY = "none"
"""What is sent to a server that needs no key: the client insists on one."""

# An error status is not billed, but behind these a gateway may have lost an answer that was.
_PERHAPS_SPENT = (408, 502, 504, 524)
_BUSY = (429, 503)


@dataclass(frozen=True)
class Said:
    """An answer that came whole and of the model's own will.

    Attributes:
        tokens: what question and answer took together; None when the server does not tell.
    """

    text: str
    tokens: int | None


@dataclass(frozen=True)
class Unsaid:
    """No answer that counts.

    Attributes:
        tokens: what it took all the same: 0 when surely nothing; None when nobody knows.
    """

    refused: Refused
    tokens: int | None


class Chat:
    """A model behind an API.

    Args:
        key: empty for a server that needs none.
        timeout: seconds within which an answer must be whole, whatever the server sends meanwhile.
        stop: ends any wait at once.
    """

    def __init__(
        self, base_url: str, name: str, key: SecretStr, *, timeout: float, stop: Event | None = None
    ) -> None:
        self.base_url, self.name, self.timeout = base_url, name, timeout
        self._key = key
        self._stop = stop or Event()
        # Models that reason take only the newer name, and many local servers heed only the older one.
        self._limit_name = "max_tokens"
        # The answer is checked anyway, and the schema is in the question as well.
        self._takes_schema = True

    def ask(
        self, messages: Messages, *, answer_tokens: int, schema: Mapping[str, Any] | None = None
    ) -> Said | Unsaid:
        """Ask once; once more when the server was not there, or had no time, and so took nothing."""
        request: dict[str, Any] = {"model": self.name, "messages": messages}
        if schema is not None:
            request["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "decision", "strict": True, "schema": dict(schema)},
            }
        return asyncio.run(self._in_time(request, answer_tokens))

    async def _in_time(self, request: dict[str, Any], answer_tokens: int) -> Said | Unsaid:
        conversation = asyncio.ensure_future(self._conversation(request, answer_tokens))
        deadline = time.monotonic() + self.timeout
        while not conversation.done():
            await asyncio.wait({conversation}, timeout=_LISTEN_SECONDS)
            late, stopped = time.monotonic() > deadline, self._stop.is_set()
            if not conversation.done() and (late or stopped):
                conversation.cancel()
                await asyncio.wait({conversation})
                if conversation.cancelled():
                    why = "It was stopped" if stopped else f"No answer within {self.timeout:g} s"
                    return Unsaid(Refused(Why.LATE, why), None)
        return conversation.result()

    async def _conversation(self, request: dict[str, Any], answer_tokens: int) -> Said | Unsaid:
        async with self._client() as client:
            left = _RETRIES
            while True:
                heard = await self._once(client, self._form(request, answer_tokens))
                if not isinstance(heard, _Again):
                    return heard
                if heard.learnt:
                    continue
                if left:
                    left -= 1
                    await asyncio.sleep(heard.after)
                else:
                    return heard.otherwise

    def _form(self, request: dict[str, Any], answer_tokens: int) -> dict[str, Any]:
        """The request as this server takes it, as far as it has said so."""
        kept = request if self._takes_schema else {n: v for n, v in request.items() if n != "response_format"}
        return {**kept, self._limit_name: answer_tokens}

    async def _once(self, client: openai.AsyncOpenAI, request: dict[str, Any]) -> Said | Unsaid | _Again:
        import httpx2  # openai's own transport, whose errors pass through it
        import openai

        try:
            async with client.chat.completions.with_streaming_response.create(**request) as response:
                body = bytearray()
                async for piece in response.iter_bytes():
                    body += piece
                    if len(body) > _LONGEST:
                        return Unsaid(Refused(Why.INVALID, "The answer does not end"), None)
        except openai.APIStatusError as error:
            return self._status(error)
        except openai.APIConnectionError as error:
            return _not_reached(error)
        except openai.OpenAIError as error:
            return Unsaid(Refused(Why.UNREACHABLE, f"The client gave up: {type(error).__name__}"), None)
        except httpx2.HTTPError as error:  # the connection broke while the answer was read
            return Unsaid(Refused(Why.UNREACHABLE, f"The connection broke ({type(error).__name__})"), None)
        return _heard(bytes(body))

    def _status(self, error: openai.APIStatusError) -> Unsaid | _Again:
        """What an error status means. The server's words are not repeated: they may hold the key."""
        status = error.status_code
        if status == 400 and self._learns(f"{error.param} {error.message}"):
            return _Again(_nothing("The server does not take the question (400)"), learnt=True)
        if status in (401, 403):
            return _nothing(f"The server does not take the key ({status})")
        if status in _PERHAPS_SPENT:
            return Unsaid(Refused(Why.UNREACHABLE, f"The server answers with {status}"), None)
        told = _nothing(f"The server answers with {status}")
        if status in _BUSY and error.code != "insufficient_quota":
            return _Again(told, after=_seconds(error.response.headers.get("retry-after")))
        return told

    def _learns(self, complaint: str) -> bool:
        """Whether the server names something that can be said in another way."""
        if "max_tokens" in complaint and self._limit_name == "max_tokens":
            self._limit_name = "max_completion_tokens"
            return True
        if "response_format" in complaint and self._takes_schema:
            self._takes_schema = False
            return True
        return False

    def _client(self) -> openai.AsyncOpenAI:
        # Half a second of imports, which only those pay who ask.
        import openai

        host = urlsplit(self.base_url).hostname or ""
        return openai.AsyncOpenAI(
            api_key=self._key.get_secret_value() or _NO_KEY,
            base_url=self.base_url,
            timeout=self.timeout,
            max_retries=0,  # its own retries would spend what nobody counted
            http_client=openai.DefaultAsyncHttpxClient(
                # What is asked goes where the settings say and nowhere else.
                follow_redirects=False,
                # The host's proxy is for the world, and a server of the house is not there.
                mounts={f"all://{_bracketed(host)}": None} if _of_the_house(host) else None,
            ),
        )


@dataclass(frozen=True)
class _Again:
    """It may be asked again at once: nothing was spent."""

    otherwise: Unsaid
    after: float = _PAUSE_SECONDS
    learnt: bool = False
    """It was asked in a form that this server does not take, and there is another one."""


class _Message(BaseModel):
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[Any] | None = None


class _Choice(BaseModel):
    finish_reason: str | None = None
    message: _Message


class _Usage(BaseModel):
    prompt_tokens: int = Field(default=0, ge=0, le=10**9)
    completion_tokens: int = Field(default=0, ge=0, le=10**9)
    total_tokens: int = Field(default=0, ge=0, le=10**9)


class _Completion(BaseModel):
    choices: list[_Choice] = Field(min_length=1, max_length=1)


class _Spent(BaseModel):
    usage: _Usage | None = None


def _heard(body: bytes) -> Said | Unsaid:
    """What a whole answer of the server says."""
    tokens = _tokens(body)
    try:
        choice = _Completion.model_validate_json(body, strict=True).choices[0]
    except ValidationError:
        return Unsaid(Refused(Why.INVALID, "What the server sends is no answer of a chat"), tokens)
    text = choice.message.content or ""
    if choice.message.refusal or choice.finish_reason == "content_filter":
        return Unsaid(Refused(Why.DECLINED, "The model declines to answer"), tokens)
    if choice.finish_reason == "length":
        return Unsaid(Refused(Why.TRUNCATED, "The answer is cut off"), tokens)
    if choice.finish_reason != "stop" or choice.message.tool_calls:
        return Unsaid(
            Refused(Why.INVALID, "The answer is not one, but a call of a tool or unfinished"), tokens
        )
    if not text.strip():
        return Unsaid(Refused(Why.INVALID, "The answer is empty"), tokens)
    return Said(text, tokens)


def _tokens(body: bytes) -> int | None:
    """What the server says that it took; None when it says nothing that can be so."""
    try:
        usage = _Spent.model_validate_json(body, strict=True).usage
    except ValidationError:
        return None
    if usage is None:
        return None
    return max(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens) or None


def _not_reached(error: openai.APIConnectionError) -> Unsaid | _Again:
    cause = type(error.__cause__).__name__
    if cause in ("ConnectError", "ConnectTimeout"):
        return _Again(_nothing(f"The server is not reached ({cause})"))
    if "Timeout" in cause:
        return Unsaid(Refused(Why.LATE, "The server does not answer in time"), None)
    return Unsaid(Refused(Why.UNREACHABLE, f"The connection broke ({cause})"), None)


def _nothing(why: str) -> Unsaid:
    """No answer, and surely nothing spent."""
    return Unsaid(Refused(Why.UNREACHABLE, why), 0)


def _seconds(told: str | None) -> float:
    """How long a server asks to be left alone; a date instead of seconds is not read."""
    try:
        return max(0.0, float(told)) if told else _PAUSE_SECONDS
    except ValueError:
        return _PAUSE_SECONDS


def _of_the_house(host: str) -> bool:
    if host == "localhost" or ("." not in host and ":" not in host):
        return True
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return host.endswith((".lan", ".local", ".home", ".internal"))


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
