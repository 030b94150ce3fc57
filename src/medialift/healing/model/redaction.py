"""What may leave the house: a text with placeholders for whatever is somebody's own.

Secrets are masked as in every log (`foundation.text`). Beyond that a question names no folder, file, title,
person, host or address of this house: each has a placeholder, the same one for the same name throughout one
question, so that the model still sees that two lines are about one file. In doubt more is taken out than
needed: a sentence without its object can still be understood.

Kept are the paths of this program's own code, of Python's, and of the kernel's small files; the routes of an
API without what stands in them; and addresses that mean every host itself.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from medialift.foundation.text import redact

# Whoever can write a log line can try to make it slow to read: a pattern begins at the beginning of a word
# only and never looks far, so that each takes time in proportion to the line.

# Where one word of a line ends for people: a name may hold spaces, commas, dots and brackets.
_STOPS = re.compile(r"""["'`<>|\n]|: | -> |; | (?=[/~])|$""")
_QUOTES = {"'": "'", '"': '"', "`": "`", "“": "”", "‘": "’", "«": "»"}

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f-\x9f]")
# What is not seen, and what turns the direction of what is seen.
_UNSEEN = re.compile("[\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\U000e0000-\U000e007f]")

_ADDRESS = re.compile(r"\b[a-zA-Z][a-zA-Z0-9+.-]{1,20}://[^\s'\"<>`|]*")
_EMAIL = re.compile(r"(?<![\w.+%-])[\w.+%-]+@[\w-]+(?:\.[\w-]+)*\.[A-Za-z]{2,}\b")
_USER_AT = re.compile(r"(?<![\w<.-])[\w.-]+@(?=[\w<])")
_PATH = re.compile(r"(?<![\w/.<>~)])(?:~[\w.-]*)?/(?=[^\s/])")
_EXTENSION = re.compile(r"\.[A-Za-z0-9]{1,5}(?=$|[\s,;:)\]}])")
# Words after which a folder's name goes on, as in /srv/Books/Jane Doe (12).
_MORE = re.compile(r"(?: (?:&|[A-ZÀ-Þ(\d][\w.,()&'’-]*))+")

_OUR_CODE = re.compile(
    r"(?:/[\w.@+-]+)*/((?:site-packages|python3(?:\.\d+)?|medialift)/[\w./-]+\.(?:py|so)\b)"
)
_KERNEL = re.compile(r"/(?:proc|sys)(?:/[\w.:-]+)+|/dev/(?:null|zero|fuse|shm|pts/\d+|std\w+|u?random)\b")
_ROUTE = re.compile(r"/api(?:/[a-z_-]{1,24}(?![\w%.]))*")

_FILE = re.compile(
    r"(?<![^\s'\"|:;=])[^\s'\"<>|:;=]+(?: [^\s'\"<>|:;=]+){0,20}?"
    r"\.(?:epub|mobi|azw[34]?|pdf|cb[rz]|djvu|fb2|lit|docx?|rtf|odt|opf|m4[abv]|mp[34]|flac|opus|ogg|wav|aac"
    r"|mk[av]|avi|jpe?g|png|webp|gif|nfo|srt|cue)\b",
    re.IGNORECASE,
)
_LEADING_WORDS = re.compile(r"^(?:[a-zß-ÿ_,()]+ )+")
_QUOTED = re.compile(r"(?<![\w])(?P<open>['\"`“‘«])(?P<inner>[^\n]*?)(?P<close>['\"`”’»])(?![\w])")
_PLAIN_WORD = re.compile(r"[\w.<>:/\[\](){}*%+,=-]*")

_FOUR = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.]*\w)")
_SIX = re.compile(r"(?<![\w:.])(?=[\da-fA-F:]*::?[\da-fA-F:]*:)[\da-fA-F:]{3,39}(?:%\w+)?(?![\w:])")
_HARDWARE = re.compile(r"\b(?:[\da-fA-F]{2}[:-]){5}[\da-fA-F]{2}\b")
_DOMAIN = re.compile(
    r"(?<![\w<./@-])(?:[A-Za-z0-9](?:[\w-]{0,61}[A-Za-z0-9])?\.)+"
    r"(?:lan|local|home|internal|intranet|localdomain|arpa|corp|private|com|net|org|info|biz|dev|app|cloud|eu"
    r"|de|at|ch|fr|it|es|nl|be|uk|ie|us|ca|au|nz|se|no|fi|dk|pl|cz|jp|cn|ru|br|in|xyz|box|me|io|co|tv|ts\.net)"
    r"(?![\w.-]*\w)",
)
_UNIQUE = re.compile(r"\b[\da-fA-F]{8}(?:-[\da-fA-F]{4}){3}-[\da-fA-F]{12}\b|\b[\da-fA-F]{16,}\b")
_OPAQUE = re.compile(r"(?<![\w<-])(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[\w-]{40,}(?![\w-])")
_LINE = 1000
"""Characters of a line that are told at most."""
_EVERYWHERE = ("localhost", "127.0.0.1", "::1", "0.0.0.0", "::")  # noqa: S104  a text to keep, no socket


class Redaction:
    """The placeholders of one question.

    Args:
        secrets: values that are known to be secret.
        folders: folders of which all that lies in them is personal, whatever its name looks like.
        names: {value: kind}: names that are personal wherever they stand, such as {"nas1": "host"}.
    """

    def __init__(
        self,
        *,
        secrets: Iterable[str] = (),
        folders: Iterable[str] = (),
        names: Iterable[tuple[str, str]] = (),
    ) -> None:
        self._secrets = list(secrets)
        # "/" is no folder of anybody's: every path would lie in it.
        roots = sorted({one.rstrip("/") for one in folders} - {""}, key=len, reverse=True)
        self._folders = re.compile("|".join(map(re.escape, roots))) if roots else None
        self._names = [
            (re.compile(rf"(?<![\w<]){re.escape(value)}(?!\w)", re.IGNORECASE), kind)
            for value, kind in sorted(names, key=lambda one: len(one[0]), reverse=True)
            if len(value) >= 2 and value.lower() not in _EVERYWHERE
        ]
        self._known: dict[tuple[str, str], str] = {}
        self._counts: dict[str, int] = {}

    def __call__(self, text: str) -> str:
        """The text as it may be told. Tabs and lines stay; control characters and what is not seen go."""
        text = _UNSEEN.sub("", _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n")))
        lines = redact(text, self._secrets).split("\n")
        return "\n".join(self._line(_cut(line)) for line in lines)

    def _line(self, line: str) -> str:
        line = _ADDRESS.sub(lambda found: self._address(found[0]), line)
        line = _EMAIL.sub(lambda found: self._named("email", found[0]), line)
        line = self._without_paths(line)
        line = _FILE.sub(lambda found: self._file(found[0]), line)
        line = _QUOTED.sub(self._quoted, line)
        line = _HARDWARE.sub(lambda found: self._named("address", found[0]), line)
        line = _FOUR.sub(lambda found: self._number(found[0]), line)
        line = _SIX.sub(lambda found: self._number(found[0]), line)
        for pattern, kind in self._names:
            line = pattern.sub(lambda found, kind=kind: self._named(kind, found[0].lower()), line)  # type: ignore[misc]
        line = _DOMAIN.sub(lambda found: self._named("host", found[0].lower()), line)
        line = _USER_AT.sub(lambda found: self._named("user", found[0][:-1]) + "@", line)
        line = _UNIQUE.sub(lambda found: self._named("id", found[0].lower()), line)
        return _OPAQUE.sub(lambda found: self._named("id", found[0]), line)

    def _named(self, kind: str, value: str, ending: str = "") -> str:
        known = self._known.get((kind, value))
        if known is None:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            known = self._known[kind, value] = f"<{kind}{self._counts[kind]}{ending}>"
        return known

    def _address(self, address: str) -> str:
        """scheme://<host1>:port/api/ebooks/…: a route stays, and nothing of what is asked there."""
        try:
            parts = urlsplit(address)
            host, port = parts.hostname, parts.port
        except ValueError:  # brackets that are none, or a port that is none
            return self._named("address", address)
        if not host:
            return f"{parts.scheme}://{self._named('path', parts.path, _ending(parts.path))}"
        shown = host if host in _EVERYWHERE else self._named("host", host)
        return f"{parts.scheme}://{shown}{f':{port}' if port else ''}{_route(parts.path)}"

    def _without_paths(self, line: str) -> str:
        kept, at = [], 0
        while (begin := self._next_path(line, at)) is not None:
            kept.append(line[at:begin])
            shown, at = self._path(line, begin)
            kept.append(shown)
        return "".join([*kept, line[at:]])

    def _next_path(self, line: str, at: int) -> int | None:
        found = _PATH.search(line, at)
        own = self._folders.search(line, at) if self._folders else None
        begins = [one.start() for one in (found, own) if one is not None]
        return min(begins, default=None)

    def _path(self, line: str, begin: int) -> tuple[str, int]:
        """What is shown for the path that begins there, and where it ends."""
        own = self._folders.match(line, begin) if self._folders else None
        if own is None:
            code = _OUR_CODE.match(line, begin)
            if code:
                return re.sub(r"^site-packages/", "", code[1]), code.end()
            kernel = _KERNEL.match(line, begin)
            if kernel:
                return kernel[0], kernel.end()
            if line.startswith("/api", begin):
                end = begin + len(line[begin:].split(maxsplit=1)[0].rstrip("'\",;:)"))
                return _route(line[begin:end]), end
        end = _end_of_path(line, begin, greedy=own is not None)
        path = line[begin:end]
        return self._named("path", path.rstrip("/"), _ending(path)), end

    def _file(self, words: str) -> str:
        """A file's name without a folder. Small words before it belong to the sentence."""
        sentence = _LEADING_WORDS.match(words)
        before = sentence[0] if sentence else ""
        name = words[len(before) :]
        return before + self._named("file", name, _ending(name))

    def _quoted(self, found: re.Match[str]) -> str:
        """A word in quotes is a name of the program's; several are somebody's."""
        inner = found["inner"]
        if _QUOTES[found["open"]] != found["close"] or (_PLAIN_WORD.fullmatch(inner) and inner.isascii()):
            return found[0]
        return f"{found['open']}{self._named('text', inner)}{found['close']}"

    def _number(self, words: str) -> str:
        try:
            address = ipaddress.ip_address(words.split("%")[0])
        except ValueError:
            return words
        return words if str(address) in _EVERYWHERE else self._named("address", str(address))


def _cut(line: str) -> str:
    """Not too long to be looked at, and not cut within a word: half a name would not be known again."""
    return line if len(line) <= _LINE else line[:_LINE].rpartition(" ")[0] + " …"


def _end_of_path(line: str, begin: int, *, greedy: bool) -> int:
    """Where a path ends that may hold spaces: at its closing quote, after its ending, or after its last word.

    A `greedy` one without an ending goes on to the next mark that a sentence has.
    """
    quote = _QUOTES.get(line[begin - 1]) if begin else None
    if quote is not None:
        closing = line.find(quote, begin)
        return closing if closing >= 0 else len(line)
    stop = _STOPS.search(line, begin + 1)
    clause = line[begin : stop.start() if stop else len(line)]
    last = clause.rfind("/") + 1
    endings = list(_EXTENSION.finditer(clause, last))
    if endings:
        return begin + endings[-1].end()
    if greedy:
        return begin + len(clause.rstrip(" ,.)"))
    word = re.compile(r"[^\s,;:)\]}]*").match(clause, last)
    end = word.end() if word else last
    more = _MORE.match(clause, end)
    return begin + (more.end() if more else end)


def _ending(path: str) -> str:
    found = re.search(r"\.([A-Za-z0-9]{1,5})$", path)
    return f".{found[1].lower()}" if found else ""


def _route(path: str) -> str:
    """/api/ebooks/… of /api/ebooks/12/cover?title=x: names in small letters are the program's."""
    kept = _ROUTE.match(path)
    if kept is None:
        return "/…" if path.strip("/") else ""
    return kept[0] if kept.end() == len(path) else f"{kept[0]}/…"
