"""Runs a module of library/ as Ansible does: options in, one JSON result out."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ansible.module_utils
import pytest
from ansible.module_utils.testing import patch_module_args

ROOT = Path(__file__).parents[2]

# Modules import `ansible.module_utils.medialift_runtime`: Ansible puts it there when it packs a module.
ansible.module_utils.__path__.append(str(ROOT / "module_utils"))


@pytest.fixture
def load_module() -> Callable[[str], Any]:
    """load_module("plex_scan") -> the module of library/plex_scan.py."""

    def load(name: str) -> Any:
        spec = importlib.util.spec_from_file_location(f"library_{name}", ROOT / "library" / f"{name}.py")
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture
def run_module(load_module: Callable[[str], Any]) -> Callable[..., dict[str, Any]]:
    """run_module("plex_scan", {options}, check=False, diff=False) -> the result Ansible would read.

    A failure is a result too: {"failed": True, "msg": …}. Exceptions of a module are defects: raised.
    """

    def run(name: str, args: dict[str, Any], *, check: bool = False, diff: bool = False) -> dict[str, Any]:
        options = {**args, "_ansible_check_mode": check, "_ansible_diff": diff}
        out = io.StringIO()
        with patch_module_args(options), contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
            load_module(name).main()
        result: dict[str, Any] = json.loads(out.getvalue())
        result.pop("invocation", None)
        return result

    return run
