"""The answers of Audible and Audnexus as they are relied on: one that no longer fits is never written.

Fields that are not named here may come and go. Those that are may be missing where they say so, and must be
of the kind that is said; a list where a text was, or a number below zero, is a change that a person must see.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from medialift.errors import Permanent

ASIN_PATTERN = r"^[A-Z0-9]{10}$"
_LONGEST_NAME = 1000
_LONGEST_TEXT = 200_000


class Misfit(Permanent):
    """An answer that is not of the shape that is known: it is not used, and somebody is told.

    Attributes:
        service: whose answer it is: "audible", "audnexus".
    """

    def __init__(self, service: str, what: str, subject: str) -> None:
        super().__init__(
            f"An answer of {service} no longer fits its known shape, and is not used: {what}",
            subject,
            "See whether a newer release of medialift knows it; until then say the fields in metadata.yml",
        )
        self.service = service


def _nothing_is_empty(value: Any) -> Any:
    """Both services send null for what they do not know."""
    return "" if value is None else value


def _none_is_no_list(value: Any) -> Any:
    return [] if value is None else value


def _without_nulls(value: Any) -> Any:
    if value is None:
        return {}
    return {key: one for key, one in value.items() if one is not None} if isinstance(value, dict) else value


def _nothing_is_zero(value: Any) -> Any:
    return 0 if value is None else value


Name = Annotated[str, BeforeValidator(_nothing_is_empty), Field(max_length=_LONGEST_NAME)]
Milliseconds = Annotated[int, BeforeValidator(_nothing_is_zero), Field(ge=0, le=10**10)]
Text = Annotated[str, BeforeValidator(_nothing_is_empty), Field(max_length=_LONGEST_TEXT)]


class _Shape(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


class Person(_Shape):
    name: Name
    asin: Name = ""


class Category(_Shape):
    name: Name


class Ladder(_Shape):
    ladder: list[Category] = Field(default_factory=list)


class InSeries(_Shape):
    """`sequence` is a text such as "1", "1.5", "1-3" or ""."""

    title: Name
    asin: Name = ""
    sequence: Name = ""


class Stars(_Shape):
    average_rating: float | int | None = Field(default=None, ge=0, le=5)


class Rating(_Shape):
    overall_distribution: Stars | None = None


People = Annotated[list[Person], BeforeValidator(_none_is_no_list)]


class Product(_Shape):
    """A book of Audible's catalogue. One that is not for sale in a shop comes as its ASIN alone."""

    asin: str = Field(pattern=ASIN_PATTERN)
    title: Name = ""
    subtitle: Name = ""
    authors: People = Field(default_factory=list)
    narrators: People = Field(default_factory=list)
    publisher_name: Name = ""
    release_date: Name = ""
    issue_date: Name = ""
    language: Name = ""
    format_type: Name = ""
    runtime_length_min: int | None = Field(default=None, ge=0, le=100_000)
    publisher_summary: Text = ""
    merchandising_summary: Text = ""
    product_images: Annotated[dict[str, str], BeforeValidator(_without_nulls)] = Field(default_factory=dict)
    series: Annotated[list[InSeries], BeforeValidator(_none_is_no_list)] = Field(default_factory=list)
    category_ladders: Annotated[list[Ladder], BeforeValidator(_none_is_no_list)] = Field(default_factory=list)
    rating: Rating | None = None
    is_adult_product: bool | None = None
    copyright: Name = ""
    isbn: Name = ""

    @property
    def for_sale(self) -> bool:
        """Whether the shop has it: else it has no name there."""
        return bool(self.title.strip())


class ProductAnswer(_Shape):
    """GET /1.0/catalog/products/ASIN."""

    product: Product


class ProductsAnswer(_Shape):
    """GET /1.0/catalog/products?…: one misfit must not hide nine books, so each is looked at alone."""

    products: list[dict[str, Any]]


class Genre(_Shape):
    name: Name
    type: Name = "genre"


class Placed(_Shape):
    name: Name
    asin: Name = ""
    position: Name = ""


class AudnexusBook(_Shape):
    """GET /books/ASIN of Audnexus."""

    asin: str = Field(pattern=ASIN_PATTERN)
    title: Name = Field(min_length=1)
    subtitle: Name = ""
    authors: People
    narrators: People = Field(default_factory=list)
    publisherName: Name = ""
    releaseDate: Name = ""
    runtimeLengthMin: int | None = Field(default=None, ge=0, le=100_000)
    language: Name = ""
    formatType: Name = ""
    summary: Text = ""
    description: Text = ""
    image: Name = ""
    genres: Annotated[list[Genre], BeforeValidator(_none_is_no_list)] = Field(default_factory=list)
    seriesPrimary: Placed | None = None
    seriesSecondary: Placed | None = None
    # Sent as a text, "4.7", and by some versions as a number.
    rating: str | float | int | None = None
    isbn: Name = ""
    copyright: int | Name = ""
    isAdult: bool | None = None
    region: Name = ""


class AudnexusChapter(_Shape):
    title: Name
    startOffsetMs: int = Field(ge=0, le=10**10)
    lengthMs: int = Field(ge=0, le=10**10)


class AudnexusChapters(_Shape):
    """GET /books/ASIN/chapters of Audnexus."""

    asin: str = Field(pattern=ASIN_PATTERN)
    brandIntroDurationMs: Milliseconds = 0
    brandOutroDurationMs: Milliseconds = 0
    isAccurate: bool | None = None
    runtimeLengthMs: int = Field(ge=0, le=10**10)
    chapters: list[AudnexusChapter]


_S = TypeVar("_S", bound=_Shape)


def fitted(shape: type[_S], told: Any, *, service: str, subject: str) -> _S:
    """The answer in its shape.

    Raises:
        Misfit: it does not fit; the first three places where it does not are named, never what stands there.
    """
    try:
        return shape.model_validate(told)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False, include_context=False)
        places = [
            f"{'.'.join(map(str, fault['loc'])) or 'the whole'} ({fault['msg']})" for fault in faults[:3]
        ]
        raise Misfit(service, "; ".join(places), subject) from error
