"""Everything that answers, in the order in which it is asked."""

from __future__ import annotations

from fastapi import APIRouter

from medialift.web import audiobooks as audiobooks_page
from medialift.web import audit as audit_page
from medialift.web import books as books_page
from medialift.web import bursts as bursts_page
from medialift.web import diagnostics as diagnostics_page
from medialift.web import failed as failed_page
from medialift.web import item_forms, item_page, live
from medialift.web import mounts as mounts_page
from medialift.web import notifications as notifications_page
from medialift.web import overview as overview_page
from medialift.web import posters as posters_page
from medialift.web import queue as queue_page
from medialift.web import workers as workers_page
from medialift.web.access import access_page, account_page, login_page
from medialift.web.api import (
    access,
    audiobook_actions,
    audit,
    batch_debug,
    bursts,
    failed,
    health,
    item_actions,
    notifications,
    posters,
    queue,
    queue_actions,
    status,
    worker_actions,
    workers,
)

ROUTERS: tuple[APIRouter, ...] = (
    login_page.router,
    access_page.router,
    account_page.router,
    audit_page.router,
    audiobooks_page.router,
    diagnostics_page.router,
    failed_page.router,
    item_forms.router,
    item_page.router,
    queue_page.router,
    books_page.router,
    bursts_page.router,
    overview_page.router,
    posters_page.router,
    mounts_page.router,
    notifications_page.router,
    workers_page.router,
    access.router,
    audit.router,
    batch_debug.router,
    bursts.router,
    failed.router,
    health.router,
    queue.router,
    status.router,
    workers.router,
    audiobook_actions.router,
    item_actions.router,
    notifications.router,
    posters.router,
    queue_actions.router,
    worker_actions.router,
    live.router,
)
"""Each module of the API and each page has a `router` here."""
