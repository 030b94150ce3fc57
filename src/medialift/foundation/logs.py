"""What a process logs: on standard error, with the secrets masked."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from medialift.foundation.text import redact


class _Redacting(logging.Formatter):
    """Masks the secrets that are known, and whatever else looks like one."""

    def __init__(self, form: str, secrets: Iterable[str]) -> None:
        super().__init__(form)
        self._secrets = list(secrets)

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record), self._secrets)


def log_to_stderr(level: str, secrets: Iterable[str], *, service: bool = False) -> None:
    """Log from this level on.

    Args:
        level: "debug", "info", "warning" or "error".
        secrets: values that must not be seen.
        service: systemd keeps the lines and their times, and what medialift itself says of its work ("info")
            is always among them.
    """
    handler = logging.StreamHandler()
    form = "%(levelname)s %(message)s" if service else "%(asctime)s %(levelname)s %(name)s: %(message)s"
    handler.setFormatter(_Redacting(form, secrets))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=service)
    # These tell every request at "info", with its address: only for those who debug.
    for name in ("httpx", "httpx2", "botocore"):
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLogger().level))
    if service:
        logging.getLogger("medialift").setLevel(min(logging.INFO, logging.getLogger().level))
