"""Calibre's language codes as the server's: ISO 639-2 (`eng`) to what `GET /api/languages` lists (`en`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

# ISO 639-2 (and its bibliographic forms) to ISO 639-1: the languages that books are written in.
_PAIRS = """
afr:af alb:sq sqi:sq amh:am ara:ar arm:hy hye:hy aze:az baq:eu eus:eu bel:be ben:bn bos:bs bul:bg
bur:my mya:my cat:ca ces:cs cze:cs chi:zh zho:zh cym:cy wel:cy dan:da deu:de ger:de dut:nl nld:nl
ell:el gre:el eng:en epo:eo est:et fas:fa per:fa fil:tl fin:fi fra:fr fre:fr geo:ka kat:ka gle:ga
glg:gl guj:gu heb:he hin:hi hrv:hr hun:hu ice:is isl:is ind:id ita:it jpn:ja kan:kn kaz:kk khm:km
kir:ky kor:ko lao:lo lat:la lav:lv lit:lt ltz:lb mac:mk mkd:mk mal:ml mar:mr may:ms msa:ms mlt:mt
mon:mn nep:ne nno:nn nob:nb nor:no pan:pa pol:pl por:pt pus:ps ron:ro rum:ro rus:ru san:sa sin:si
slk:sk slo:sk slv:sl som:so spa:es srp:sr swa:sw swe:sv tam:ta tat:tt tel:te tgk:tg tha:th tib:bo
bod:bo tuk:tk tur:tr uig:ug ukr:uk urd:ur uzb:uz vie:vi yid:yi zul:zu
"""
_TWO_LETTERS: dict[str, str] = {pair[:3]: pair[4:] for pair in _PAIRS.split()}


def language(codes: Sequence[str], known: Mapping[str, int], default: str, chosen: Mapping[str, str]) -> str:
    """The server's code for a book: of the first of its languages that the server has, else the default.

    Args:
        codes: Calibre's, in its order; any of ISO 639-2 and 639-1, in any case, also `pt-BR`.
        known: {code: id} of the server.
        chosen: a person's map, which goes before the one that is built in.
    """
    small = {code.lower(): code for code in known}
    for code in codes:
        tried = code.strip().lower()
        short = tried.replace("_", "-").split("-")[0]
        for candidate in (
            str(chosen.get(tried, "")).lower(),
            tried,
            short,
            _TWO_LETTERS.get(short, ""),
            *(three for three, two in _TWO_LETTERS.items() if two == short),
        ):
            if candidate in small:
                return small[candidate]
    return default
