"""Tar headers: POSIX ustar, with a pax record where ustar has no room (long or non-ASCII names, 8 GiB).

Formats: POSIX.1-2017, `pax`, "ustar Interchange Format" and "pax Extended Header". Written here and not
by `tarfile`, whose object per member costs more than reading a small file does.
"""

from __future__ import annotations

import os
import struct
import zlib

from medialift.errors import Unsafe

BLOCK = 512
END = bytes(2 * BLOCK)
REGULAR = b"0"
PAX = b"x"

_MAGIC = b"ustar\x0000"
# name; mode, uid, gid, size, mtime; checksum; type; link's name, magic, owner, group, devices; prefix
_FIELDS = struct.Struct("100s48s8s1s188s155s12x")
_NUMBERS = b"%07o\0" + 2 * b"0000000\0" + b"%011o\0%011o\0"
_UNCHECKED = b"        "
_OWNERLESS = bytes(100) + _MAGIC + bytes(64) + 2 * b"0000000\0"
_LARGEST_USTAR_SIZE = 8**11 - 1
_CHECKSUM = slice(148, 156)
_BLANK_CHECKSUM_SUM = 8 * ord(" ")


def padding(size: int) -> int:
    """Bytes of padding that follow `size` bytes of content."""
    return -size % BLOCK


def encode(name: str, size: int, mode: int, mtime: int) -> bytes:
    """The header blocks of a regular file, 512 bytes, or 1536 and more when pax records are needed."""
    raw = os.fsencode(name)
    records = b""
    prefix, short = b"", raw
    if not name.isascii() or not (split := _split(raw)):
        if not _is_utf8(raw):
            # POSIX: without this record a path is taken for UTF-8, which this name is not.
            records += _record(b"hdrcharset", b"BINARY")
        records += _record(b"path", raw)
        short = raw[:100]
    else:
        prefix, short = split
    if size > _LARGEST_USTAR_SIZE:
        records += _record(b"size", b"%d" % size)
    block = _block(short, prefix, 0 if size > _LARGEST_USTAR_SIZE else size, mode, max(0, mtime), REGULAR)
    if not records:
        return block
    pax = _block(b"././@PaxHeader", b"", len(records), 0o644, 0, PAX)
    return pax + records + bytes(padding(len(records))) + block


def _split(raw: bytes) -> tuple[bytes, bytes] | None:
    if len(raw) <= 100:
        return b"", raw
    # The name must fit in 100 bytes and what precedes its slash in 155.
    at = raw.find(b"/", len(raw) - 101)
    if at == -1 or at > 155 or at == len(raw) - 1:
        return None
    return raw[:at], raw[at + 1 :]


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _record(key: bytes, value: bytes) -> bytes:
    # A record starts with its own length in decimal, the digits of that length included.
    bare = len(key) + len(value) + 3
    length = bare + len(str(bare))
    if len(str(length)) > len(str(bare)):
        length += 1
    return b"%d %s=%s\n" % (length, key, value)


def _block(name: bytes, prefix: bytes, size: int, mode: int, mtime: int, kind: bytes) -> bytes:
    numbers = _NUMBERS % (mode & 0o7777, size, min(mtime, _LARGEST_USTAR_SIZE))
    fields = _FIELDS.pack(name, numbers, _UNCHECKED, kind, _OWNERLESS, prefix)
    return b"%b%06o\0 %b" % (fields[:148], _sum(fields), fields[156:])


def _sum(fields: bytes) -> int:
    # Adler-32's low half is the sum of the bytes plus one, modulo 65521. The ASCII of one block stays below
    # that, and it takes a tenth of the time.
    return (zlib.adler32(fields) & 0xFFFF) - 1 if fields.isascii() else sum(fields)


def decode(block: bytes) -> tuple[bytes, str, int, int, int]:
    """(kind, name, size, mode, mtime) of one header block.

    Raises:
        Unsafe: its checksum is wrong, or it is no ustar header.
    """
    try:
        stored = int(block[_CHECKSUM].strip(b" \0"), 8)
        if stored != sum(block) - sum(block[_CHECKSUM]) + _BLANK_CHECKSUM_SUM:
            raise ValueError
        if block[257:262] != _MAGIC[:5]:
            raise ValueError
        name = block[:100].partition(b"\0")[0]
        if block[345]:
            name = block[345:500].partition(b"\0")[0] + b"/" + name
        size = int(block[124:135], 8)
        mode = int(block[100:107], 8)
        mtime = int(block[136:147], 8)
    except ValueError as error:
        raise Unsafe(
            "The archive is damaged: a member's header cannot be read", "", "Use another archive"
        ) from error
    return block[156:157], os.fsdecode(name), size, mode, mtime


def decode_pax(records: bytes) -> dict[str, bytes]:
    """The records of a pax extended header.

    Raises:
        Unsafe: a record's length or shape is wrong.
    """
    found: dict[str, bytes] = {}
    at = 0
    while at < len(records):
        length_text, _, _ = records[at : at + 20].partition(b" ")
        record = records[at : at + int(length_text)] if length_text.isdigit() else b""
        key, equals, value = record[len(length_text) + 1 :].partition(b"=")
        if not equals or not record.endswith(b"\n") or len(record) != int(length_text):
            raise Unsafe("The archive is damaged: a long header cannot be read", "", "Use another archive")
        found[key.decode("ascii", "replace")] = value[:-1]
        at += len(record)
    return found
