"""The self-test of the audiobooks: books of a few seconds, made by this host's ffmpeg and by the real code.

Covered: what an inbox's folders are taken for, the order of parts, conversion and joining with exact lengths,
chapters, the proof, the manifest, and where a book lies in a library. Not covered: what the ledger does, the
catalogues and the libraries' servers.
"""

from medialift.audiobooks.selftest import journey, words

CHECKS = [*words.CHECKS, *journey.CHECKS]
