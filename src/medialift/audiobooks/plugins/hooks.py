"""What a plug-in can do: each function here may be written by it, with any of these arguments or none.

All it is given are copies in plain types, as JSON has them, so nothing that it does to them changes a book.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pluggy

PROJECT = "medialift_audiobooks"
API = 1
"""Version of these functions. It rises when one of them changes so that a plug-in must change as well."""

hookimpl = pluggy.HookimplMarker(PROJECT)
_spec = pluggy.HookspecMarker(PROJECT)


@_spec
def before_step(step: str, subject: Mapping[str, Any]) -> None:
    """A step begins: "convert" with the book as it was found, "tag" and "deliver" with its manifest.

    An error does not stop the step: it is only told.
    """


@_spec
def after_step(step: str, subject: Mapping[str, Any]) -> None:
    """A step ended well; the manifest as it is now."""


@_spec
def enrich_metadata(metadata: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Further metadata, before the tags are written: the fields that shall have another value.

    Fields are those of `medialift.audiobooks.metadata.model.Metadata`. Plug-ins are asked one after the
    other, and each is given what those before it made.
    """


@_spec
def manifest_fields(manifest: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What the plug-in wants to be kept in the manifest, under `plugins` and its own name; as JSON has it."""


@_spec
def ready_for_tagging(file: Path, manifest: Mapping[str, Any]) -> None:
    """A book is converted and proven, and lies at `file` beside its manifest."""
