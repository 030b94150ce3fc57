"""Everything that answers, in the order in which it is asked."""

from __future__ import annotations

from fastapi import APIRouter

from medialift.web import audiobooks as audiobooks_page
from medialift.web import audit as audit_page
from medialift.web import bursts as bursts_page
from medialift.web import item_forms, live
from medialift.web.access import access_page, account_page, login_page
from medialift.web.api import (
    access,
    audiobook_actions,
    audit,
    batch_debug,
    bursts,
    item_actions,
    queue_actions,
)

ROUTERS: tuple[APIRouter, ...] = (
    login_page.router,
    access_page.router,
    account_page.router,
    audit_page.router,
    audiobooks_page.router,
    item_forms.router,
    bursts_page.router,
    access.router,
    audit.router,
    batch_debug.router,
    bursts.router,
    audiobook_actions.router,
    item_actions.router,
    queue_actions.router,
    live.router,
)
"""Each module of the API and each page has a `router` here."""
