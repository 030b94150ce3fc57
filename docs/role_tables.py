"""Write the tables of variables in the roles' READMEs from their argument specs; `--check` only compares."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
START, END = "<!-- variables -->\n", "<!-- /variables -->\n"


def options(role: Path) -> dict[str, dict[str, Any]]:
    """The options of a role's main entry point, in the order of its spec."""
    spec = yaml.safe_load((role / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))
    found: dict[str, dict[str, Any]] = spec["argument_specs"]["main"].get("options", {})
    return found


def table(role: Path) -> str:
    """The options as a Markdown table."""
    lines = ["| variable | type | default | what it is for |", "|---|---|---|---|"]
    for name, option in options(role).items():
        kind = " \\| ".join(f"`{choice}`" for choice in option.get("choices", [])) or option["type"]
        described = option["description"]
        text = " ".join(described) if isinstance(described, list) else described
        lines.append(f"| `{name}` | {kind} | {_default(option)} | {_cell(text)} |")
    return "\n".join(lines) + "\n"


def written(role: Path) -> str:
    """What the README of a role should say."""
    text = (role / "README.md").read_text(encoding="utf-8")
    if START not in text or END not in text:
        raise SystemExit(f"{role.name}/README.md lacks the marks {START.strip()} and {END.strip()}")
    before, rest = text.split(START, 1)
    return f"{before}{START}\n{table(role)}\n{END}{rest.split(END, 1)[1]}"


def main(arguments: list[str]) -> int:
    stale = []
    for readme in sorted((ROOT / "roles").glob("*/README.md")):
        text = written(readme.parent)
        if text == readme.read_text(encoding="utf-8"):
            continue
        stale.append(readme)
        if "--check" not in arguments:
            readme.write_text(text, encoding="utf-8")
    if stale and "--check" in arguments:
        print(
            "Run docs/role_tables.py: stale are", *(path.relative_to(ROOT) for path in stale), file=sys.stderr
        )
        return 1
    return 0


def _default(option: dict[str, Any]) -> str:
    default = option.get("default")
    if default in ("", None):
        return "required" if option.get("required") else ""
    return f"`{_cell(default if isinstance(default, str) else json.dumps(default))}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
