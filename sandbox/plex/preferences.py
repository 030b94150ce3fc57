"""Plex's settings: which there are, their defaults, and `Preferences.xml` that keeps those that differ."""

from __future__ import annotations

import uuid
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from sandbox.plex import rows

IDENTITY = (
    "MachineIdentifier",
    "ProcessedMachineIdentifier",
    "AnonymousMachineIdentifier",
    "CertificateUUID",
    "PlexOnlineToken",
    "PlexOnlineUsername",
    "PlexOnlineMail",
    "PlexOnlineHome",
)
BEHAVIOUR = "never:never|scheduled:as a scheduled task|asap:as a scheduled task and when media is added"


@dataclass(frozen=True)
class Preference:
    """One entry of `/:/prefs`."""

    id: str
    type: str
    default: str
    group: str
    values: str = ""
    hidden: bool = False


def _bools(group: str, on: str, off: str) -> list[Preference]:
    made = [Preference(name, "bool", "1", group) for name in on.split()]
    return made + [Preference(name, "bool", "0", group) for name in off.split()]


CATALOGUE = {
    preference.id: preference
    for preference in [
        Preference("FriendlyName", "text", "", "general"),
        Preference("sendCrashReports", "bool", "1", "general"),
        # The default that has emptied libraries: rows of what a scan could not read are removed after it.
        *_bools(
            "library",
            "autoEmptyTrash allowMediaDeletion FSEventLibraryUpdatesEnabled",
            "FSEventLibraryPartialScanEnabled ScheduledLibraryUpdatesEnabled ScannerLowPriority",
        ),
        Preference("ScheduledLibraryUpdateInterval", "int", "3600", "library"),
        Preference("OnDeckWindow", "int", "16", "library"),
        Preference("GenerateBIFBehavior", "text", "never", "library", BEHAVIOUR),
        Preference("GenerateChapterThumbBehavior", "text", "scheduled", "library", BEHAVIOUR),
        Preference("GenerateIntroMarkerBehavior", "text", "asap", "library", BEHAVIOUR),
        Preference("GenerateCreditsMarkerBehavior", "text", "asap", "library", BEHAVIOUR),
        Preference("GenerateAdMarkerBehavior", "text", "scheduled", "library", BEHAVIOUR),
        Preference("GenerateVADBehavior", "text", "scheduled", "library", BEHAVIOUR),
        Preference("LoudnessAnalysisBehavior", "text", "scheduled", "library", BEHAVIOUR),
        Preference("MusicAnalysisBehavior", "text", "scheduled", "library", BEHAVIOUR),
        *_bools(
            "butler",
            "ButlerTaskRefreshLocalMedia ButlerTaskBackupDatabase ButlerTaskOptimizeDatabase "
            "ButlerTaskCleanOldBundles ButlerTaskCleanOldCacheFiles ButlerTaskRefreshPeriodicMetadata "
            "ButlerTaskUpgradeMediaAnalysis ButlerTaskDeepMediaAnalysis ButlerTaskGarbageCollectBlobs "
            "ButlerTaskGenerateBlurHashes",
            "ButlerTaskRefreshLibraries ButlerTaskUpdateVersion",
        ),
        Preference("ButlerStartHour", "int", "2", "butler"),
        Preference("ButlerEndHour", "int", "5", "butler"),
        Preference("ButlerDatabaseBackupPath", "text", "", "butler"),
        Preference("BackgroundQueueIdlePaused", "bool", "0", "transcoder", hidden=True),
        Preference("TranscoderTempDirectory", "text", "", "transcoder"),
        Preference("TranscoderQuality", "int", "0", "transcoder", "0:Automatic|1:Faster|2:Better|3:Best"),
        Preference("allowedNetworks", "text", "", "network"),
        Preference("customConnections", "text", "", "network"),
        Preference("secureConnections", "int", "1", "network", "0:Required|1:Preferred|2:Disabled"),
        Preference("GdmEnabled", "bool", "1", "network"),
        Preference("DlnaEnabled", "bool", "0", "dlna"),
        Preference("LogVerbose", "bool", "0", "general", hidden=True),
        Preference("MachineIdentifier", "text", "", "", hidden=True),
        Preference("PlexOnlineHome", "bool", "0", "", hidden=True),
        Preference("GlobalMusicVideoPath", "text", "", "library"),
        Preference("iTunesLibraryXmlPath", "text", "", "channels"),
        Preference("customCertificatePath", "text", "", "network"),
    ]
}


class Preferences:
    """`Preferences.xml` of one server; every change is on disk when the call returns.

    Args:
        path: of Preferences.xml; an identity is made at the first start, as the image's script does.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = Lock()
        self._values: dict[str, str] = {}
        if path.exists():
            self._values = dict(ET.fromstring(path.read_text(encoding="utf-8")).attrib)
        if not self._values.get("MachineIdentifier"):
            serial = str(uuid.uuid4())
            self.put(
                MachineIdentifier=serial,
                ProcessedMachineIdentifier=rows.sha1(f"{serial}- Plex Media Server"),
            )
        if not self._values.get("AnonymousMachineIdentifier"):
            self.put(
                AnonymousMachineIdentifier=str(uuid.uuid4()),
                CertificateUUID=uuid.uuid4().hex,
                MetricsEpoch="1",
                AcceptedEULA="1",
            )

    def get(self, name: str) -> str:
        """The value in force: what was set, or the default."""
        known = CATALOGUE.get(name)
        return self._values.get(name, known.default if known else "")

    def on(self, name: str) -> bool:
        return self.get(name).lower() in ("1", "true")

    def put(self, **values: str) -> None:
        """Set values whatever their names; an empty one is removed."""
        with self._lock:
            for name, value in values.items():
                if value == "":
                    self._values.pop(name, None)
                else:
                    self._values[name] = value
            self._write()

    def accept(self, asked: dict[str, str]) -> list[str]:
        """Take the values of a `PUT /:/prefs`: names that are not known are passed over without a word.

        Returns the names that were taken.
        """
        taken = {}
        for name, value in asked.items():
            known = CATALOGUE.get(name) or CATALOGUE.get(name[:1].upper() + name[1:])
            if known is None or known.id in IDENTITY:
                continue
            if known.type == "bool":
                value = "1" if value.lower() in ("1", "true") else "0"
            taken[known.id] = value
        if taken:
            self.put(**taken)
        return list(taken)

    @property
    def token(self) -> str:
        """The token of the account that claimed this server, '' when nobody did."""
        return self._values.get("PlexOnlineToken", "")

    @property
    def claimed(self) -> bool:
        return bool(self.token)

    def _write(self) -> None:
        element = ET.Element("Preferences", self._values)
        text = '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(element, encoding="unicode") + "\n"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        beside = self.path.with_suffix(".xml.new")
        beside.write_text(text, encoding="utf-8")
        beside.chmod(0o600)
        beside.replace(self.path)
