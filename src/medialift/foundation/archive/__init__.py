"""Archives: tar in zstd, streamed both ways in constant memory, every member hashed.

Layout, in this order: `medialift/manifest.json`, the members, `medialift/checksums`
(one line `sha256  size  name` per member before it). Any `tar --zstd -x` can unpack one.
"""

from medialift.foundation.archive.member import (
    CHECKSUMS_NAME,
    MANIFEST_NAME,
    Entry,
    Member,
    Verified,
    Written,
)
from medialift.foundation.archive.reader import extract, open_archive, read_manifest, verify
from medialift.foundation.archive.writer import write

__all__ = [
    "CHECKSUMS_NAME",
    "MANIFEST_NAME",
    "Entry",
    "Member",
    "Verified",
    "Written",
    "extract",
    "open_archive",
    "read_manifest",
    "verify",
    "write",
]
