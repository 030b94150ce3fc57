"""The docs: what is generated is fresh, and no link leads nowhere."""

import re
from pathlib import Path

import pytest

from docs import generate

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("awx/*.md"), *ROOT.glob("semaphore/*.md")]
)


@pytest.mark.parametrize("name", ["audiobooks.md", "modules.md", "roles.md", "settings.md", "commands.md"])
def test_what_is_generated_is_fresh(name):
    assert (ROOT / "docs/reference" / name).read_text() == generate.written()[name], "run `make docs`"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page):
    targets = re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_the_first_screen_of_the_readme_has_the_picture_and_the_two_commands():
    first = "\n".join((ROOT / "README.md").read_text().splitlines()[:20])
    assert "docs/images/burst.svg" in first
    assert "make demo" in first
    assert "make test" in first


def test_every_playbook_is_in_the_readme():
    readme = (ROOT / "README.md").read_text()
    assert [book.name for book in ROOT.glob("playbooks/*.yml") if f"`{book.name}`" not in readme] == []
