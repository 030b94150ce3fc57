"""Doing something to workers, on whatever host they are."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from medialift.web.actions import workers
from medialift.web.actions.acting import Acts
from medialift.web.api.item_actions import Why
from medialift.web.given import Name
from medialift.web.problems import PROBLEMS

router = APIRouter(prefix="/api/v1/workers/{name}", tags=["actions"], responses=PROBLEMS)

WorkerName = Annotated[Name, Path(description="As the list of workers has it.", examples=["attic@1"])]


class AskedOfWorker(BaseModel):
    """What came of it."""

    model_config = ConfigDict(from_attributes=True)

    changed: bool = Field(description="Whether anything is otherwise than before")
    host: str = Field(description="Whose healing does it before its next round; empty: nobody's has to")


@router.post("/pause")
def pause_worker(acting: Acts, name: WorkerName, why: Why | None = None) -> AskedOfWorker:
    """Ask the healing of its host to drain it, and to leave it alone until it is released."""
    return AskedOfWorker.model_validate(workers.ask(acting, name, "pause", why.why if why else ""))


@router.post("/release")
def release_worker(acting: Acts, name: WorkerName) -> AskedOfWorker:
    """Ask the healing of its host to let it run again, with all its attempts."""
    return AskedOfWorker.model_validate(workers.ask(acting, name, "release"))


@router.post("/withdraw")
def withdraw_worker_request(acting: Acts, name: WorkerName) -> AskedOfWorker:
    """Ask no more for what was asked of it and is not done yet."""
    return AskedOfWorker.model_validate(workers.withdraw(acting, name))


@router.post("/drain")
def drain_worker(acting: Acts, name: WorkerName) -> AskedOfWorker:
    """Have it finish what it has in hand and end; what runs it starts it again."""
    return AskedOfWorker.model_validate(workers.drain(acting, name))
