"""Audible's shops: each region has an ending of its own, and books of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

ENDINGS: Mapping[str, str] = {
    "us": "com",
    "uk": "co.uk",
    "de": "de",
    "fr": "fr",
    "ca": "ca",
    "au": "com.au",
    "it": "it",
    "es": "es",
    "in": "in",
    "jp": "co.jp",
    "br": "com.br",
}


def catalogue_address(template: str, region: str) -> str:
    """The address of a shop's catalogue; `{tld}` of the template is its ending."""
    return template.replace("{tld}", ENDINGS[region]).rstrip("/")


def product_page(asin: str, region: str) -> str:
    """The page of a book, for people."""
    return f"https://www.audible.{ENDINGS[region]}/pd/{asin}"


def in_turn(first: str, others: Iterable[str]) -> tuple[str, ...]:
    """The shops in the order in which they are asked, each once."""
    return tuple(dict.fromkeys((first, *others)))
