"""`medialift plex`: the server, its library, the work on it and the way home."""

from __future__ import annotations

import typer

from medialift.cli.plex import library, posting, server, work

app = typer.Typer(no_args_is_help=True, help="Plex: its sections, scans, archives and the way home.")

app.command("sections")(server.sections)
app.command("settings")(server.apply_settings)
app.command("claim")(server.claim)
app.command("scan")(work.scan)
app.command("run")(work.run)
app.command("report")(work.report)
app.command("post-journal")(posting.post_journal)
app.command("export")(library.export)
app.command("import")(library.import_archive)
app.command("rollback")(library.rollback)
app.command("remap")(library.remap)
