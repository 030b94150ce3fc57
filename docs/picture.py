"""Take the README's picture of a report: `python -m docs.picture artifacts/demo/report.html`."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.browser.chromium import chromium

PICTURE = Path(__file__).parent / "images" / "report.png"


def main(report: Path) -> None:
    with chromium() as page:
        page.open(report.resolve().as_uri(), width=1080)
        page.screenshot(PICTURE)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
