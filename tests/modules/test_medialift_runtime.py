"""The glue of the modules: with a runtime, without one, with an old one, and with an error from it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

MODULE = """
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils import medialift_runtime
from ansible.module_utils.medialift_runtime import reporting_errors, runtime

medialift_runtime.CURRENT = {current!r}

def main():
    module = AnsibleModule(
        argument_spec=dict(text=dict(type="str"), secret=dict(type="str", no_log=True)),
        supports_check_mode=True,
    )
    package = runtime(module, {name!r})
    from medialift.errors import Unsafe
    with reporting_errors(module, near="the shelf"):
        if module.params["text"] == "break":
            raise Unsafe("The book is open", "a.m4b", "Close it first")
    import sys
    got = len(module.params["text"] or "")
    module.exit_json(changed=False, package=package.__name__, python=sys.prefix, got=got)

if __name__ == "__main__":
    main()
"""

Try = Callable[..., dict[str, object]]


@pytest.fixture
def attempt(tmp_path: Path) -> Try:
    """Runs a small module through Ansible itself, under a Python without medialift, as on a bare host."""

    def run(
        options: dict[str, str], *, current: str = "/nowhere", name: str = "medialift", check: bool = False
    ):
        library = tmp_path / "library"
        library.mkdir(exist_ok=True)
        (library / "bare.py").write_text(textwrap.dedent(MODULE.format(current=current, name=name)))
        command = [
            str(Path(sys.executable).with_name("ansible")),
            *("localhost", "-i", "localhost,", "-c", "local", "-m", "bare", "-a", json.dumps(options)),
            *("-e", f"ansible_python_interpreter={bare_python(tmp_path)}"),
            *(["--check"] if check else []),
        ]
        environment = {
            **os.environ,
            "ANSIBLE_LIBRARY": str(library),
            "ANSIBLE_MODULE_UTILS": str(ROOT / "module_utils"),
            "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.minimal",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_LOCAL_TEMP": str(tmp_path / "local"),
            "ANSIBLE_REMOTE_TEMP": str(tmp_path / "remote"),
        }
        done = subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
        )
        result: dict[str, object] = json.loads(done.stdout[done.stdout.index("{\n") :])
        return {**result, "failed": done.returncode != 0}

    return run


def bare_python(folder: Path) -> str:
    """A venv with nothing in it: it cannot import medialift."""
    if not (folder / "bare").exists():
        subprocess.run(
            [sys.executable, "-m", "venv", "--without-pip", str(folder / "bare")], check=True, timeout=60
        )
    return str(folder / "bare" / "bin" / "python")


def test_without_the_runtime_the_error_names_the_role_to_apply(attempt: Try) -> None:
    result = attempt({"text": "a"})
    assert result["failed"] is True
    assert "Apply the role 'runtime' first" in str(result["msg"])


def test_in_check_mode_an_absent_runtime_is_a_predicted_change(attempt: Try) -> None:
    result = attempt({"text": "a"}, check=True)
    assert (result["changed"], result["predicted"]) == (True, True)
    assert result["failed"] is False


def test_a_module_restarts_under_the_runtime_and_keeps_its_options(attempt: Try) -> None:
    result = attempt({"text": "x" * 20_000, "secret": "hush"}, current=sys.prefix)
    assert result["package"] == "medialift"
    assert (result["python"], result["got"]) == (sys.prefix, 20_000)
    assert "hush" not in json.dumps(result)


def test_options_that_would_fill_the_pipe_are_refused_instead_of_hanging(attempt: Try) -> None:
    result = attempt({"text": "x" * 60_000}, current=sys.prefix)
    assert result["failed"] is True
    assert "too large" in str(result["msg"])


def test_a_runtime_without_the_wanted_part_is_told_from_an_absent_one(attempt: Try) -> None:
    result = attempt({"text": "a"}, current=sys.prefix, name="medialift.from_the_future", check=True)
    assert result["failed"] is True
    assert "too old or damaged" in str(result["msg"])


def test_an_error_of_the_runtime_keeps_its_kind_its_subject_and_its_hint(attempt: Try) -> None:
    result = attempt({"text": "break"}, current=sys.prefix)
    assert result["msg"] == "The book is open: a.m4b. Close it first."
    assert (result["kind"], result["subject"], result["hint"]) == ("unsafe", "a.m4b", "Close it first")
    assert result["near"] == "the shelf"
