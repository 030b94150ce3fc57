"""Languages: codes and words of many tags and shops as the one English word that Audible uses."""

from __future__ import annotations

# ISO 639-1, 639-2/B and /T, and what people write in tags.
_CODES = {
    "english": ("en", "eng", "englisch", "anglais"),
    "german": ("de", "deu", "ger", "deutsch", "allemand"),
    "french": ("fr", "fra", "fre", "français", "francais", "französisch"),
    "spanish": ("es", "spa", "español", "espanol", "castellano"),
    "italian": ("it", "ita", "italiano"),
    "portuguese": ("pt", "por", "português", "portugues"),
    "dutch": ("nl", "nld", "dut", "nederlands"),
    "japanese": ("ja", "jpn", "日本語"),
    "chinese": ("zh", "zho", "chi", "mandarin_chinese", "mandarin chinese"),
    "hindi": ("hi", "hin"),
    "polish": ("pl", "pol", "polski"),
    "russian": ("ru", "rus", "русский"),
    "swedish": ("sv", "swe", "svenska"),
    "danish": ("da", "dan", "dansk"),
    "norwegian": ("no", "nor", "nb", "nob", "norsk"),
    "finnish": ("fi", "fin", "suomi"),
    "czech": ("cs", "ces", "cze", "čeština"),
    "turkish": ("tr", "tur", "türkçe"),
}
_WORDS = {code: word for word, codes in _CODES.items() for code in (word, *codes)}
_UNKNOWN = ("", "und", "mul", "zxx", "mis", "unknown")


def language_word(told: str) -> str:
    """ "de-AT", "ger" and "Deutsch" as "german"; a word that is not known in small letters; "" for none."""
    text = told.strip().casefold()
    if text in _UNKNOWN:
        return ""
    return _WORDS.get(text) or _WORDS.get(text.replace("_", "-").split("-")[0]) or text


def language_code(word: str) -> str:
    """The code of two letters: "de" for "german"; "" when it is not known."""
    codes = _CODES.get(language_word(word))
    return codes[0] if codes else ""
