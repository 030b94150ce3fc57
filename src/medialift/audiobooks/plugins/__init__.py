"""Plug-ins of the intake: what others add to it, each shut off from the books and from the others.

A plug-in is a module or a file with functions that are marked with `hookimpl`:

    from medialift.audiobooks.plugins import hookimpl

    @hookimpl
    def enrich_metadata(metadata):
        return {"genres": [*metadata.get("genres", []), "Audiobook"]}

Which functions there are, and what they are given, is in `hooks.py`; a guide is docs/audiobooks-plugins.md.
"""

from medialift.audiobooks.plugins.hooks import API, hookimpl
from medialift.audiobooks.plugins.loading import load
from medialift.audiobooks.plugins.plugins import NONE, Plugins

__all__ = ["API", "NONE", "Plugins", "hookimpl", "load"]
