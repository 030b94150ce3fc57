"""What a fresh MyBookshelf2 database knows: its languages, formats, genres, synonyms and roles."""

from __future__ import annotations

LANGUAGES = {1: ("cs", "Czech"), 2: ("en", "English"), 3: ("sk", "Slovak"), 4: ("ru", "Russian")}

# (mime type, name, extension); three of the types end with a blank, which no request ever matches.
FORMATS = {
    1: ("application/pdf", "PDF document", "pdf"),
    2: ("text/plain", "Plain text document", "txt"),
    3: ("application/x-aportisdoc", "Palm Document", "pdb"),
    4: ("application/rtf", "RTF Document", "rtf"),
    5: ("application/msword", "MS Word Document", "doc"),
    6: ("application/x-mobipocket-ebook", "Mobipocket Ebook", "mobi"),
    7: ("application/vnd.palm ", "Palm/Mobipocket Document", "prc"),
    8: ("application/epub+zip", "Open Publication Structure eBook", "epub"),
    9: ("application/vnd.oasis.opendocument.text ", "OpenOffice Document", "odt"),
    10: ("image/vnd.djvu", "DJVU Document", "djvu"),
    11: ("text/html", "HTML File", "html"),
    12: ("text/html", "HTML", "htm"),
    # Of all formats this one: so any file sent as octet-stream is a supported one.
    13: ("application/octet-stream", "Compiled HTML", "chm"),
    14: ("application/x-ms-reader ", "MS Reader Ebook", "lit"),
    15: ("application/x-fictionbook+xml", "Fiction Book 2", "fb2"),
    16: (
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "MS Word XML document",
        "docx",
    ),
    17: ("application/x-mobi8-ebook", "Amazon KF8 eBook File", "azw3"),
}

_GENRES = """
Adventure|Biography|Business/Investing|Children's Books|Computers/Internet|Cooking/Food|Crime/Mystery|Essay|
Fantasy|Fiction|Health|History|Horror|Humor/Satire|Non-Fiction|Novels|Philosophy|Plays|Poetry|Politics|
Psychology|Religion|Romance|Science|Science Fiction|Sexuality|Short Fiction|Sports|Thriller|Travel|War|
Western||Educational|Social Fiction|Autobiography|Youth's Books|Historical Fiction|Military|Hobby|Mysteries|
Social Sciences|Espionage|Post-catastrophic|Women's Books|Nature|Fairy Tales And Myths|Military SF|
Urban fantasy|Comics|Space Opera|Magazine|Action|Psychological Fiction|Art|Mystic|Alternative|Technology
"""
# Number 33 is missing there too.
GENRES = {n: name for n, name in enumerate(_GENRES.replace("\n", "").split("|"), start=1) if name}

# (category, other name, our name): LNG a language's code, LGN its name, GNR a genre. None leads to Russian.
SYNONYMS = (
    ("LNG", "eng", "en"),
    ("LNG", "ces", "cs"),
    ("LNG", "slk", "sk"),
    ("GNR", "sci-fi", "Science Fiction"),
    ("GNR", "sf", "Science Fiction"),
    ("GNR", "detective", "Crime/Mystery"),
)

# (name, the roles that it includes)
ROLES = {
    1: ("guest", ("guest",)),
    2: ("user", ("guest", "user")),
    3: ("trusted_user", ("guest", "user", "trusted_user")),
    4: ("superuser", ("guest", "user", "trusted_user", "superuser")),
    5: ("admin", ("guest", "user", "trusted_user", "superuser", "admin")),
}
