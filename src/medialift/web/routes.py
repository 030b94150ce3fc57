"""Everything that answers, in the order in which it is asked."""

from __future__ import annotations

from fastapi import APIRouter

ROUTERS: tuple[APIRouter, ...] = ()
"""Each module of the API and each page has a `router` here."""
