"""The types by which files are announced to the server.

It knows a format by its type first and by its extension only when it knows no such type. Its type of `chm` is
`application/octet-stream`, so whatever is sent as that passes for a book: it is never sent for anything else.
"""

from __future__ import annotations

_TYPES = {
    "azw3": "application/x-mobi8-ebook",
    "chm": "application/octet-stream",
    "djvu": "image/vnd.djvu",
    "doc": "application/msword",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "epub": "application/epub+zip",
    "fb2": "application/x-fictionbook+xml",
    "htm": "text/html",
    "html": "text/html",
    "lit": "application/x-ms-reader",
    "mobi": "application/x-mobipocket-ebook",
    "odt": "application/vnd.oasis.opendocument.text",
    "pdb": "application/x-aportisdoc",
    "pdf": "application/pdf",
    "prc": "application/vnd.palm",
    "rtf": "application/rtf",
    "txt": "text/plain",
}


def mime_type(extension: str) -> str:
    """The type of a format by its extension in small letters, such as `epub`.

    One that is not known here gets a type that no server knows, so that the server goes by the extension.
    """
    return _TYPES.get(
        extension, f"application/x-{extension}" if extension.isascii() else "application/x-unknown"
    )
