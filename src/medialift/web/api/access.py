"""Who asks, and who may: people, tokens and sessions of browsers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from medialift.web.access import people, sessions, tokens
from medialift.web.access.callers import How
from medialift.web.access.gate import Admin, Reader
from medialift.web.access.oneself import refuse_oneself
from medialift.web.access.passwords import LONGEST
from medialift.web.access.scopes import Scope
from medialift.web.auditing import who
from medialift.web.confirming import confirmed
from medialift.web.context import Connected
from medialift.web.given import Name, Word
from medialift.web.paging import Page
from medialift.web.problems import PROBLEMS, Missing, problems

router = APIRouter(prefix="/api/v1", tags=["access"], responses=PROBLEMS)

YEAR = 365 * 86_400.0
_LONGEST = 100 * YEAR
Password = Annotated[SecretStr, Field(max_length=LONGEST)]


class _Given(BaseModel):
    # A misspelt name must be an error: taken silently, it would leave things as they are.
    model_config = ConfigDict(extra="forbid")


class _Shown(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class Asking(_Shown):
    """Who asks."""

    name: str
    scope: Scope
    how: How = Field(description="By what they are known")


class PersonShown(_Shown):
    """Somebody who may log in, unless disabled."""

    name: str
    scope: Scope
    disabled: bool
    created: datetime
    changed: datetime


class PersonGiven(_Given):
    """Somebody who is to log in."""

    name: Name = Field(examples=["alice"])
    password: Password = Field(description="At least 10 characters")
    scope: Scope = "read"


class PersonChange(_Given):
    """What is to be otherwise; what is null stays."""

    scope: Scope | None = None
    disabled: bool | None = None


class PasswordGiven(_Given):
    """Another password."""

    password: Password


class TokenShown(_Shown):
    """What is known of a token."""

    id: int
    name: str
    person: str | None = Field(description="Whose it is: it can do no more than they")
    scope: Scope
    created: datetime
    expires: datetime | None
    used: datetime | None = Field(description="When it was shown last, to the minute")
    expired: bool


class TokenGiven(_Given):
    """A token that is to be made."""

    name: Name = Field(examples=["burst-controller"])
    scope: Scope = "read"
    person: Name | None = None
    seconds: float | None = Field(
        default=YEAR, gt=0, le=_LONGEST, description="How long it is taken; null: always"
    )


class TokenMade(TokenShown):
    """A new token. It is told this once."""

    token: str


class SessionShown(_Shown):
    """A browser that the caller is logged in with."""

    id: str
    created: datetime
    seen: datetime
    expires: datetime
    address: str
    agent: str
    current: bool = Field(default=False, description="Whether it is the one that asks")


@router.get("/caller")
def caller(asking: Reader) -> Asking:
    """Who asks, and what they may do."""
    return Asking.model_validate(asking)


@router.get("/people")
def list_people(_: Admin, connection: Connected) -> Page[PersonShown]:
    """Everybody who may log in, or is shut out."""
    return Page(items=[PersonShown.model_validate(one) for one in people.listed(connection)])


@router.post("/people", status_code=201)
def add_person(asking: Admin, connection: Connected, given: PersonGiven) -> PersonShown:
    """Let somebody log in."""
    added = people.add(
        connection, given.name, given.password.get_secret_value(), given.scope, who=who(asking)
    )
    return PersonShown.model_validate(added)


@router.patch("/people/{name}")
def change_person(asking: Admin, connection: Connected, name: Name, given: PersonChange) -> PersonShown:
    """Let somebody do more or less, shut them out or let them in. It counts from their next request on."""
    if given.scope is not None or given.disabled:
        refuse_oneself(asking, name)
    if given.scope is not None:
        people.set_scope(connection, name, given.scope, who=who(asking))
    if given.disabled is not None:
        people.set_disabled(connection, name, given.disabled, who=who(asking))
    found = people.find(connection, name.strip().lower())
    if found is None:
        raise Missing("There is nobody of this name", name)
    return PersonShown.model_validate(found)


@router.put("/people/{name}/password", status_code=204)
def set_password(asking: Admin, connection: Connected, name: Name, given: PasswordGiven) -> None:
    """Give somebody another password. Whoever is logged in with the old one is logged out."""
    people.set_password(connection, name, given.password.get_secret_value(), who=who(asking))


@router.delete("/people/{name}", status_code=204, responses=problems(428))
def remove_person(asking: Admin, connection: Connected, name: Name, confirm: Word = "") -> None:
    """Forget somebody, with their sessions and tokens. What they did stays in the audit."""
    refuse_oneself(asking, name)
    confirmed(confirm, name, f"{name} is removed, with their sessions and tokens")
    people.remove(connection, name, who=who(asking))


@router.get("/tokens")
def list_tokens(_: Admin, connection: Connected) -> Page[TokenShown]:
    """All tokens, also those that have expired; never the tokens themselves."""
    return Page(items=[TokenShown.model_validate(one) for one in tokens.listed(connection)])


@router.post("/tokens", status_code=201)
def create_token(asking: Admin, connection: Connected, given: TokenGiven) -> TokenMade:
    """Make a token. It is told this once: only a hash of it is kept."""
    secret, token = tokens.create(
        connection, given.name, given.scope, seconds=given.seconds, person=given.person, who=who(asking)
    )
    return TokenMade(**TokenShown.model_validate(token).model_dump(), token=secret)


@router.delete("/tokens/{name}", status_code=204, responses=problems(428))
def revoke_token(asking: Admin, connection: Connected, name: Name, confirm: Word = "") -> None:
    """Take a token no more, from the next request on."""
    confirmed(confirm, name, f"Whatever uses the token {name} is shut out")
    tokens.revoke(connection, name, who=who(asking))


@router.get("/sessions")
def list_sessions(asking: Reader, connection: Connected) -> Page[SessionShown]:
    """The browsers that the caller is logged in with; of a token there are none."""
    return Page(items=shown_sessions(asking, connection))


@router.delete("/sessions/{id}", status_code=204)
def end_session(asking: Reader, connection: Connected, id: Name) -> None:
    """Log out one of the caller's browsers."""
    if asking.how != "session" or not sessions.end_one(connection, asking.name, id):
        raise Missing("You have no such session", id)


def shown_sessions(asking: Reader, connection: Connected) -> list[SessionShown]:
    """The caller's sessions, the one used last first."""
    if asking.how != "session":
        return []
    return [
        SessionShown.model_validate(one).model_copy(update={"current": one.hash == asking.session})
        for one in sessions.listed(connection, asking.name)
    ]
