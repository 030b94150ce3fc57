"""`medialift doctor`: does this host have everything that its jobs need?"""

from __future__ import annotations

import typer
from rich.markup import escape

from medialift.cli import session
from medialift.cli.face import MARKS
from medialift.doctor import Finding, Host, examine

app = typer.Typer(add_completion=False)


@app.command()
def doctor(context: typer.Context) -> None:
    """Check this host for everything its jobs need, and say what to do. Exit code 1: jobs would fail."""
    run = session.of(context)
    findings: list[Finding] = []
    for finding in examine(Host(run.loaded)):
        findings.append(finding)
        if not run.face.as_json:
            run.face.out.print(f"{MARKS[finding.status]} {escape(finding.check)}: {escape(finding.detail)}")
            if finding.advice:
                run.face.line(f"    → {finding.advice}")
    failed = sum(finding.status == "fail" for finding in findings)
    run.face.result(
        {"ok": not failed, "findings": [finding.to_dict() for finding in findings]},
        lambda: run.face.line(
            f"{failed} of {len(findings)} checks failed" if failed else "This host has what its jobs need"
        ),
    )
    if failed:
        raise typer.Exit(session.FAILED)
