"""The report as a person sees it, in a real browser at a desk and on a phone, by day and by night."""

import pytest

from medialift.plex.report import ReportInputs, build, write

PICTURES = ["timeline", "sections", "latency", "money"]
LONG_NAME = "Documentaires et magazines de la télévision publique, saison après saison"


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """A report with everything in it: long names, a skipped and a failed phase, lost items, failed reads."""
    start = 1_796_000_000.0
    inputs = ReportInputs.model_validate(
        {
            "title": "Delta burst",
            "library": "home",
            "mode": "delta",
            "phases": [
                {"name": "preflight", "started": start, "seconds": 8},
                {"name": "set up Docker, runtime and mount", "started": start + 8, "seconds": 48},
                {"name": f"scan {LONG_NAME}", "started": start + 56, "seconds": 4000},
                {"name": "scan Photos", "started": start + 4056, "seconds": 0, "outcome": "skipped"},
                {"name": "export", "started": start + 4056, "seconds": 60, "outcome": "failed"},
            ],
            "sections": [
                {
                    "name": "Movies",
                    "type": "movie",
                    "items_before": 224,
                    "items_after": 3,
                    "newly_deleted": 221,
                },
                {"name": LONG_NAME, "type": "show", "items_before": 738, "items_after": 761},
                {"name": "Music", "type": "artist", "items_before": 0, "items_after": 456534},
            ],
            "instance": {
                "id": "6f1c2d3e-4b5a-4000-8000-9a0b1c2d3e4f",
                "destroyed": True,
                "seconds": 4100,
                "cost_eur": 1.62,
                "started": start + 5,
                "budget_eur": 1.5,
            },
            "archive": {
                "bytes": 5_370_000_000,
                "sha256": "9f86d081" * 8,
                "members": 18234,
                "quarantined": True,
            },
            "import": {"outcome": "failed", "rolled_back": True},
            "mount_reads": [
                {"at": start + 60 + 7 * n, "seconds": 0.01 + n % 9 / 50, "ok": n % 40 != 39}
                for n in range(200)
            ],
        }
    )
    page, _ = write(build(inputs), tmp_path_factory.mktemp("report"))
    return page.as_uri()


@pytest.mark.parametrize("dark", [False, True], ids=["day", "night"])
@pytest.mark.parametrize("width", [1280, 390, 320])
def test_nothing_is_wider_than_the_screen(page, address, width, dark):
    page.open(address, width=width, dark=dark)
    assert page.ask("document.documentElement.scrollWidth") <= width
    # Text in a picture does not make a page scroll; it would be cut off or run into its neighbour instead.
    assert (
        page.ask("""
        [...document.querySelectorAll('svg[data-picture]')].flatMap(picture => {
            const frame = picture.getBoundingClientRect();
            return [...picture.querySelectorAll('text')].filter(text => {
                const box = text.getBoundingClientRect();
                return box.left < frame.left - 1 || box.right > frame.right + 1;
            }).map(text => text.textContent);
        })
    """)
        == []
    )


def test_names_and_figures_of_a_row_never_run_into_each_other_on_a_phone(page, address):
    page.open(address, width=320)
    assert (
        page.ask("""
        [...document.querySelectorAll('svg[data-picture] > g')].filter(row => {
            const [name, figure] = [...row.querySelector('.head').children].map(
                    text => text.getBoundingClientRect());
            return name.right > figure.left || name.width < 40 || figure.right > innerWidth;
        }).map(row => row.querySelector('.head').textContent)
    """)
        == []
    )


def test_every_picture_is_drawn_and_says_in_words_what_it_shows(page, address):
    page.open(address, width=1280)
    assert (
        page.ask("[...document.querySelectorAll('svg[data-picture]')].map(svg => svg.dataset.picture)")
        == PICTURES
    )
    drawn = page.ask("""
        [...document.querySelectorAll('svg[data-picture]')].map(svg => ({
            role: svg.getAttribute('role'),
            words: svg.getAttribute('aria-labelledby').split(' ').map(
                id => document.getElementById(id).textContent.trim().length),
            shapes: [...svg.querySelectorAll('rect, circle, polygon')].filter(shape => {
                const box = shape.getBoundingClientRect();
                return box.width > 0.5 && box.height > 0.5;
            }).length,
            height: svg.getBoundingClientRect().height,
        }))
    """)
    for picture in drawn:
        assert picture["role"] == "img"
        assert all(length > 10 for length in picture["words"])
        assert picture["shapes"] >= 3
        assert picture["height"] > 100


def test_it_asks_nothing_of_the_network_and_complains_of_nothing(page, address):
    page.open(address, width=1280)
    page.ask("[...document.querySelectorAll('details')].forEach(part => part.open = true)")
    assert page.requests == [address]
    assert page.complaints == []


@pytest.mark.parametrize("dark", [False, True], ids=["day", "night"])
def test_the_text_stands_out_from_its_ground(page, address, dark):
    page.open(address, width=1280, dark=dark)
    ratios = page.ask("""
        (() => {
            const light = colour => {
                const [r, g, b] = colour.match(/[\\d.]+/g).map(Number).map(
                    v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
                return .2126 * r + .7152 * g + .0722 * b;
            };
            const ground = element => {
                for (; element; element = element.parentElement) {
                    const colour = getComputedStyle(element).backgroundColor;
                    if (!/, 0\\)$/.test(colour)) return colour;
                }
            };
            const texts = 'h1, h2, p, dt, dd, td, th, li, .outcome, .head span, svg text';
                return [...document.querySelectorAll(texts)].map(e => {
                const style = getComputedStyle(e);
                const ink = light(e instanceof SVGElement ? style.fill : style.color);
                const paper = light(ground(e));
                return [(Math.max(ink, paper) + .05) / (Math.min(ink, paper) + .05), e.textContent];
            });
        })()
    """)
    assert [text for ratio, text in ratios if ratio < 4.5] == []
    assert len(ratios) > 40
