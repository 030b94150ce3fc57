"""Audible's catalogue: books by ASIN and by search, in one shop each."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from medialift.audiobooks.metadata.cache import ABSENT, Cache
from medialift.audiobooks.metadata.fetching import Fetcher
from medialift.audiobooks.metadata.languages import language_word
from medialift.audiobooks.metadata.model import Metadata, Series
from medialift.audiobooks.metadata.pictures import largest_url
from medialift.audiobooks.metadata.plain import one_line, plain_text
from medialift.audiobooks.metadata.shapes import (
    Misfit,
    Person,
    Product,
    ProductAnswer,
    ProductsAnswer,
    fitted,
)
from medialift.audiobooks.metadata.shops import catalogue_address, product_page
from medialift.audiobooks.metadata.wording import part_number

SERVICE = "audible"
RESULTS = 10
_GROUPS = (
    "category_ladders,contributors,media,product_attrs,product_desc,product_extended_attrs,rating,series"
)
_ROLE = re.compile(
    r"\s+-\s+(?:translat|introduc|foreword|forew|preface|afterword|edit|adapt|illustrat|contribut|narrat"
    r"|übersetz|vorwort|nachwort|herausgeb|traduc|traduct)\w*.*$",
    re.IGNORECASE,
)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


class Audible:
    """A catalogue's answers, from the cache where they are known.

    Args:
        address: of the catalogue, with {tld} in it.
    """

    def __init__(self, fetcher: Fetcher, cache: Cache, address: str) -> None:
        self._fetcher, self._cache, self._address = fetcher, cache, address

    def product(self, asin: str, region: str) -> Metadata | None:
        """The book of an ASIN; None when this shop does not have it.

        Raises:
            Misfit, Transient, Permanent: as `Fetcher.json`.
        """
        kept = self._cache.get(SERVICE, region, asin)
        if kept is not None and kept.answer == ABSENT:
            return None
        if kept is not None:
            try:
                return product_metadata(_product(kept.answer, asin), region)
            except Misfit:
                pass  # kept by a release that knew another shape: asked again
        told = self._fetcher.json(SERVICE, f"{self._products(region)}/{asin}", _parameters())
        product = None if told is None else _product(told, asin)
        # A shop says of an ASIN that it does not have: its ASIN, and nothing more.
        if product is None or not product.for_sale:
            self._cache.put(SERVICE, region, asin, ABSENT)
            return None
        self._cache.put(SERVICE, region, asin, told)
        return product_metadata(product, region)

    def search(self, words: Mapping[str, str], region: str) -> tuple[Sequence[Metadata], list[Misfit]]:
        """Books for words (keys `title` and `author`, or `keywords`), the most relevant first.

        What does not fit its shape is left out, and told beside.

        Raises:
            Misfit: the answer as a whole does not fit. Transient, Permanent: as `Fetcher.json`.
        """
        question = " ".join(f"{name}={words[name]}" for name in sorted(words))
        kept = self._cache.get_search(SERVICE, region, question)
        if kept is not None:
            try:
                return self._found(kept.answer, region, question)
            except Misfit:
                pass
        told = self._fetcher.json(
            SERVICE,
            self._products(region),
            {**_parameters(), **words, "num_results": str(RESULTS), "products_sort_by": "Relevance"},
        )
        if told is None:
            return [], []
        found, misfits = self._found(told, region, question)
        if not misfits:
            self._cache.put_search(SERVICE, region, question, told)
        return found, misfits

    def _products(self, region: str) -> str:
        return f"{catalogue_address(self._address, region)}/1.0/catalog/products"

    def _found(self, told: Any, region: str, question: str) -> tuple[list[Metadata], list[Misfit]]:
        answer = fitted(ProductsAnswer, told, service=SERVICE, subject=f"search in {region}: {question}")
        found, misfits = [], []
        for one in answer.products[:RESULTS]:
            try:
                product = fitted(Product, one, service=SERVICE, subject=f"search in {region}: {question}")
            except Misfit as fault:
                misfits.append(fault)
                continue
            if product.for_sale:
                # It is the same answer as that by its ASIN, which would be asked for next.
                self._cache.put(SERVICE, region, product.asin, {"product": one})
                found.append(product_metadata(product, region))
        return found, misfits


def product_metadata(product: Product, region: str) -> Metadata:
    """What a product says, as ours."""
    date = _DATE.match(product.release_date or product.issue_date)
    summary = product.publisher_summary or product.merchandising_summary
    series = tuple(
        Series(one_line(one.title), part_number(one.sequence), one.asin)
        for one in product.series
        if one.title.strip()
    )
    rating = product.rating.overall_distribution if product.rating else None
    genres = [one_line(step.name) for ladder in product.category_ladders for step in ladder.ladder]
    return Metadata(
        title=one_line(product.title),
        subtitle=one_line(product.subtitle),
        authors=authors(product.authors),
        narrators=names(product.narrators),
        series=series[0] if series else None,
        more_series=series[1:],
        publisher=one_line(product.publisher_name),
        release_date=date[0] if date else "",
        year=int(date[0][:4]) if date else None,
        language=language_word(product.language),
        genres=tuple(dict.fromkeys(filter(None, genres))),
        description=plain_text(summary),
        description_html=summary,
        copyright=one_line(product.copyright),
        asin=product.asin,
        isbn=product.isbn,
        rating=round(float(rating.average_rating), 2) if rating and rating.average_rating else None,
        explicit=product.is_adult_product,
        format=product.format_type.strip().casefold(),
        # Zero is what the shop says of books that are announced.
        runtime_minutes=product.runtime_length_min or None,
        cover_url=largest_url(
            [(int(edge), url) for edge, url in product.product_images.items() if edge.isdigit()]
        ),
        product_url=product_page(product.asin, region),
        region=region,
    )


def authors(people: Sequence[Person]) -> tuple[str, ...]:
    """The names of those who wrote the book: shops list "Ken Liu - translator" among them."""
    parted = [_ROLE.split(name, maxsplit=1) for name in names(people)]
    wrote = [name for name, *role in parted if not role]
    return tuple(dict.fromkeys(wrote or [name for name, *_ in parted]))


def names(people: Sequence[Person]) -> tuple[str, ...]:
    """The names, each once, without those that are empty."""
    return tuple(dict.fromkeys(name for one in people if (name := one_line(one.name))))


def _product(told: Any, asin: str) -> Product:
    product = fitted(ProductAnswer, told, service=SERVICE, subject=asin).product
    if product.asin != asin:
        raise Misfit(SERVICE, f"it is of another book, {product.asin}", asin)
    return product


def _parameters() -> dict[str, str]:
    return {"response_groups": _GROUPS, "image_sizes": "500,1024,2400"}
