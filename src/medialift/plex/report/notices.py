"""What people are told about a finished run."""

from __future__ import annotations

from collections.abc import Collection

from medialift.foundation.units import format_duration, format_size
from medialift.notify import Event, Notice
from medialift.plex.report.model import Report


def notices(report: Report, *, told_of: Collection[str] = ()) -> list[Notice]:
    """One notice that the run ended or failed, and one more when it cost more than planned.

    Args:
        told_of: ids of instances whose overspending people were told of while they ran: not told again.
    """
    name = f"{report.title} ({report.library})" if report.library else report.title
    body = "\n".join(_lines(report))
    if report.outcome == "ok":
        told = [Notice(Event.ENDED, f"{name}: ended well", body)]
    else:
        told = [Notice(Event.FAILED, f"{name}: failed", body)]
    instance = report.instance
    if report.overspent and instance and instance.budget_eur is not None and instance.id not in told_of:
        spent, planned = instance.cost_eur, instance.budget_eur
        told.append(
            Notice(
                Event.OVERSPENT,
                f"{name}: cost more than planned",
                f"It cost {spent:.2f} EUR where {planned:.2f} EUR were planned. "
                + (
                    "The instance is gone: it costs nothing more."
                    if instance.destroyed
                    else f"Instance {instance.id} still runs: see `medialift cloud list`."
                ),
            )
        )
    return told


def _lines(report: Report) -> list[str]:
    lines = []
    if report.error:
        lines += [f"{report.error.what}: {report.error.subject}.".replace(": .", ".")]
        lines += [f"{report.error.hint}."] if report.error.hint else []
    lines += [
        f"{section.name}: {section.items_before} → {section.items_after}"
        + (f", {section.newly_deleted} newly deleted" if section.newly_deleted else "")
        + (f" ({section.deletions.told})" if section.deletions.told else "")
        for section in report.sections
    ]
    if report.archive:
        where = " in quarantine" if report.archive.quarantined else ""
        lines.append(f"Archive{where}: {format_size(report.archive.bytes)}, {report.archive.members} members")
        lines += [f"It is there because: {reason}." for reason in report.archive.reasons]
    if report.imported:
        back = ", rolled back" if report.imported.rolled_back else ""
        lines.append(f"Import: {report.imported.outcome}{back}")
    if report.instance:
        gone = "destroyed" if report.instance.destroyed else "STILL RUNNING"
        lines.append(f"Instance {report.instance.id}: {gone}, {report.instance.cost_eur:.2f} EUR")
    lines.append(f"It took {format_duration(report.seconds)}.")
    return lines
