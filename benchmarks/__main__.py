"""`make bench`: measure every figure, print the ratios, write artifacts/bench.json.

A figure is a module of this folder with `measure() -> Figure`.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
from dataclasses import asdict
from pathlib import Path

import benchmarks

from .figure import Figure

_OUT = Path(__file__).resolve().parent.parent / "artifacts" / "bench.json"


def main() -> None:
    figures: dict[str, Figure] = {}
    for found in sorted(pkgutil.iter_modules(benchmarks.__path__), key=lambda module: module.name):
        module = importlib.import_module(f"benchmarks.{found.name}")
        if hasattr(module, "measure"):
            figure = figures[found.name] = module.measure()
            print(f"{found.name}: {figure.ratio:.2f} ({figure.meaning})", flush=True)
    _OUT.parent.mkdir(parents=True, exist_ok=True)
    content = {name: {**asdict(figure), "ratio": figure.ratio} for name, figure in figures.items()}
    _OUT.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
