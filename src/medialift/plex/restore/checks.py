"""What an archive must satisfy before home's library is exchanged for it. Each check refuses or passes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from medialift.errors import Permanent, Unsafe
from medialift.plex.database import SectionFacts, WatchState
from medialift.plex.manifest import Sidecar
from medialift.plex.restore.claims import Claims, SectionClaim

NOTHING_WATCHED = WatchState("", 0, 0)


def refuse_unfit(
    sidecar: Sidecar, claims: Claims, home_version: str, home_schema: int, *, accept_deletions: bool = False
) -> None:
    """Refuse an archive by what it says of itself.

    Args:
        accept_deletions: a person says that the deletions, which the store confirmed one by one, are meant.
            That lets an archive out of the quarantine that is in it for nothing else.

    Raises:
        Unsafe: it is quarantined, not from a burst, or from another version of Plex or of its schema.
    """
    if sidecar.quarantined and not (sidecar.acceptable and accept_deletions):
        raise Unsafe(
            "The archive is quarantined",
            "; ".join(sidecar.reasons) or "no reason is given",
            "If those media were removed on purpose, import it with plex_accept_deletions=true "
            "(medialift plex import: --accept-deletions)"
            if sidecar.acceptable
            else "Run the burst again; a quarantined archive is for looking at only",
        )
    if claims.kind != "burst":
        raise Unsafe(
            "The archive is not the result of a burst",
            f"its kind is {claims.kind}",
            "Name an archive below …/burst/",
        )
    if claims.plex_version != home_version:
        raise Unsafe(
            "The archive is from another version of Plex",
            f"{claims.plex_version}, home has {home_version}",
            "Give home's Plex exactly that version, or run the burst with home's",
        )
    refuse_newer_schema(claims.schema_version, home_schema)


def refuse_newer_schema(theirs: int, home_schema: int) -> None:
    """Raises Unsafe when a database is newer than home's: home's Plex could not open it."""
    if theirs > home_schema:
        raise Unsafe(
            "The archive's database is from a newer Plex than home's",
            f"schema {theirs}, home has {home_schema}",
            "Update home's Plex first, to the version the archive names",
        )


def refuse_diverged(reference: WatchState | None, now: WatchState, *, accept_loss: bool) -> bool:
    """Refuse to overwrite what people did at home since the burst took its copy.

    Returns whether something will be lost, which happens with `accept_loss` only.

    Raises:
        Unsafe: views, ratings or settings changed.
    """
    # From scratch there was no copy, so all that people ever did at home would go.
    none_yet = (now.settings, now.views) == (0, 0)
    if now.digest == reference.digest if reference else none_yet:
        return False
    if not accept_loss:
        before = reference or NOTHING_WATCHED
        raise Unsafe(
            "Views, ratings or settings at home changed since the export and would be lost",
            f"{before.settings} settings and {before.views} views then, {now.settings} and {now.views} now",
            "Run the burst again with a new export, or accept the loss with plex_import_accept_loss=true "
            "(medialift plex import: --accept-loss)",
        )
    return True


def refuse_false_claims(claims: Claims, found: Sequence[SectionFacts]) -> None:
    """Compare what the manifest counted with what the archive holds.

    Raises:
        Unsafe: they differ: the archive is not what was verified when it was written.
    """
    claimed = {(s.id, s.name, s.type): (s.items, s.leaves, s.deleted) for s in claims.sections}
    held = {(s.id, s.name, s.type): (s.items, s.leaves, s.deleted) for s in found}
    if claimed != held:
        wrong = sorted(str(key[1]) for key in {*claimed, *held} if claimed.get(key, ()) != held.get(key, ()))
        raise Unsafe(
            "The archive does not hold what its manifest says",
            ", ".join(wrong),
            "Use another archive, or export again",
        )


def refuse_losses(claims: Claims, home: Iterable[SectionFacts], new: Sequence[SectionFacts]) -> None:
    """Refuse an archive with fewer items in a section than home has now.

    Items whose media were looked up in the store and are gone (`believed_deleted`) may be missing.

    Raises:
        Unsafe: a section, a folder of one, or items of one would be lost.
    """
    problems = []
    claimed = {claim.id: claim for claim in claims.sections}
    for old in home:
        after = _same(old, new)
        if after is None:
            problems.append(f"{old.name} is missing")
            continue
        believed = _believed(claimed.get(after.id))
        if after.items < old.items - believed:
            problems.append(f"{old.name} would fall from {old.items} to {after.items} items")
        elif after.leaves < old.leaves - believed:
            problems.append(f"{old.name} would fall from {old.leaves} to {after.leaves} files")
        folders = sorted(set(old.locations) - set(after.locations))
        if folders:
            problems.append(f"{old.name} would lose its folder {', '.join(folders)}")
    if problems:
        raise Unsafe(
            "Items would be lost",
            "; ".join(problems),
            "Run the burst again; if media were removed on purpose, empty Plex's trash at home first",
        )


def _same(old: SectionFacts, sections: Sequence[SectionFacts]) -> SectionFacts | None:
    """The section that continues `old`: by its name, or by its id when it was renamed meanwhile."""
    for section in sections:
        if (section.name, section.type) == (old.name, old.type):
            return section
    return next((one for one in sections if (one.id, one.type) == (old.id, old.type)), None)


def _believed(claim: SectionClaim | None) -> int:
    return claim.believed_deleted if claim else 0


def refuse_misfit_pair(dangling: int, vectors_missing: int, fits: bool) -> None:
    """Raises Unsafe when the two databases of an archive are not of one library."""
    if not fits:
        raise Unsafe(
            "The archive's two databases do not belong together",
            f"{dangling} blobs without an owner, {vectors_missing} analysed tracks without a vector",
            "Export again: both must be copied at the same time",
        )


def refuse_damage(problems: Sequence[str], database: str) -> None:
    """Raises Unsafe when a check of a database found something."""
    if problems:
        raise Unsafe(
            "The archive's database is damaged",
            f"{database}: {'; '.join(problems[:3])}",
            "Use another archive, or export again",
        )


def require_sidecar(sidecar: Sidecar | None, name: str) -> Sidecar:
    """The sidecar.

    Raises:
        Permanent: there is none, so nobody says that the archive is good.
    """
    if sidecar is None:
        raise Permanent(
            "The archive has no description beside it, so nothing vouches for it",
            f"{name}.json",
            "Only archives of medialift can be imported at home; others can be injected in the cloud",
        )
    return sidecar
