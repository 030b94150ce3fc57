# ruff: noqa: E501  scripts for the shell
"""Code fixes on a real installation: copied releases, the self-test in its sandbox, trial, take-over, revert."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from threading import Thread

import pytest

from medialift.errors import Permanent, Unsafe
from medialift.foundation import locks
from medialift.healing.code import sandboxed
from medialift.healing.code.fix import State
from medialift.healing.code.sandboxed import Limits, Verdict, confined
from medialift.healing.decision import Cause, Decision, Remedy
from medialift.healing.pipelines import BOOKS
from medialift.settings import Settings

SPEED = "books/speed.py"
GOOD = """books/speed.py
<<<<<<< SEARCH
        return "nothing moves"
=======
        return "nothing moves" if self.slow == 0 else "nothing moves now"
>>>>>>> REPLACE
"""
BROKEN = """books/speed.py
<<<<<<< SEARCH
        self.files += 1
=======
        self.files += 2
>>>>>>> REPLACE
"""
ENDLESS = """books/server/languages.py
<<<<<<< SEARCH
    small = {code.lower(): code for code in known}
=======
    small = {code.lower(): code for code in known}
    for one in range(999999999999):
        small.get(str(one))
>>>>>>> REPLACE
"""


def decision(module: str = SPEED) -> Decision:
    return Decision(Cause.CODE, Remedy.CODE_FIX, "model test", "A figure is wrong", module=module)


def says(*checks: str):
    """A self-test that passes each release at once, for what is not about the self-test."""

    def test(release, pipeline, names):
        return Verdict(True, dict.fromkeys(names or checks or ("one",), ""))

    return test


def run(release: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [release / "venv" / "bin" / "python", "-I", "-B", *words], capture_output=True, text=True, timeout=300
    )


# -- releases ---------------------------------------------------------------------------------------------


def test_a_copy_works_where_it_is_and_knows_nothing_of_where_it_came_from(installation):
    made = installation.releases.copy(installation.first, 1)
    assert made.name == "0.1.0+0123456789ab.fix1"
    where = run(
        made, "-c", "import medialift, sys; print(medialift.__file__); print(sys.prefix)"
    ).stdout.split()
    assert where == [str(installation.module("__init__.py", made)), str(made / "venv")]
    shutil.rmtree(installation.first)
    assert run(made, "-m", "medialift", "--version").returncode == 0
    program = subprocess.run(
        [made / "venv" / "bin" / "medialift", "--version"], capture_output=True, text=True
    )
    assert program.stdout.startswith("medialift ")
    texts = [one for one in (made / "venv" / "bin").iterdir() if one.is_file() and not one.is_symlink()]
    assert not any(
        f"{installation.first}/" in one.read_text() for one in [*texts, made / "venv" / "pyvenv.cfg"]
    )


def test_a_copy_of_a_fix_is_the_next_fix_of_the_same_release(installation):
    first = installation.releases.copy(installation.first, 1)
    second = installation.releases.copy(first, 2)
    assert second.name == "0.1.0+0123456789ab.fix2"
    assert f"{first}/" not in (second / "venv" / "bin" / "medialift").read_text()


def test_what_a_copy_that_was_interrupted_left_is_no_release_and_is_cleared_away(installation):
    left = installation.root / "releases" / ".0.1.0+0123456789ab.fix1.part"
    (left / "venv").mkdir(parents=True)
    assert installation.names() == [installation.first.name]
    installation.releases.copy(installation.first, 1)
    assert not left.exists()


def test_nothing_is_copied_without_space_for_it(installation):
    releases = replace(installation.releases, free_space=10**18)
    with pytest.raises(Permanent, match="too little space"):
        releases.copy(installation.first, 1)
    assert installation.names() == [installation.first.name]


def test_a_release_that_is_none_is_not_copied(installation, tmp_path):
    shutil.rmtree(installation.module("__init__.py").parent)
    with pytest.raises(Permanent, match="no such module"):
        installation.releases.copy(installation.first, 1)
    assert sorted(one.name for one in (installation.root / "releases").iterdir()) == [installation.first.name]


@pytest.mark.parametrize("module", ["../others.pth", "books/none.py", "/etc/passwd", "books"])
def test_only_modules_of_the_release_are_written(installation, module):
    with pytest.raises(Permanent, match="no such module"):
        installation.releases.write(installation.first, module, "x = 1\n")


def test_the_link_is_moved_in_one_step_while_others_look_at_it(installation):
    made = installation.releases.copy(installation.first, 1)
    seen: set[str] = set()
    ended = [False]

    def look():
        while not ended[0]:
            seen.add(str(installation.current))

    watcher = Thread(target=look)
    watcher.start()
    for _ in range(50):
        assert installation.releases.switch(made) and installation.releases.switch(installation.first)
    ended[0] = True
    watcher.join()
    assert seen <= {str(made / "venv"), str(installation.first / "venv")}
    assert not installation.releases.switch(installation.first)
    assert installation.releases.current() == installation.first


def test_the_link_is_never_moved_to_what_is_no_release(installation, tmp_path):
    for other in (tmp_path, installation.root / "releases" / "none", installation.root):
        with pytest.raises(Permanent):
            installation.releases.switch(other)
    assert installation.current == installation.first / "venv"


def test_what_is_in_use_or_was_installed_is_never_removed(installation):
    made = installation.releases.copy(installation.first, 1)
    installation.releases.switch(made)
    with pytest.raises(Unsafe, match="in use"):
        installation.releases.remove(made)
    with pytest.raises(Permanent, match="Only fixes"):
        installation.releases.remove(installation.first)


# -- the sandbox ------------------------------------------------------------------------------------------


def sh(script: str, **more):
    done = confined(["sh", "-c", script], Limits(seconds=30, **more))
    return done.out + done.err


def test_the_sandbox_reads_no_secret_and_writes_nowhere_but_in_its_folder(tmp_path, monkeypatch):
    secret = tmp_path / "secret"
    secret.write_text("of-nobody-else")
    secret.chmod(0o600)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-nobody-else")
    told = sh(f"env; cat {secret}; cat /proc/*/environ; cat /etc/shadow")
    assert "of-nobody-else" not in told and "root:" not in told
    outside = Path("/tmp/medialift-outside")
    told = sh(f'id -u; echo a > {outside}; echo b > /dev/shm/x; echo c > "$TMPDIR/c" && cat "$TMPDIR/c"')
    assert told.startswith("65534\n") and "\nc\n" in told and told.count("Read-only file system") == 2
    assert not outside.exists()


def test_the_sandbox_has_a_network_that_goes_nowhere_and_no_services():
    told = sh(
        "python3 -c \"import socket; s = socket.create_server(('127.0.0.1', 0));"
        " socket.create_connection(s.getsockname()); print('itself')\"; "
        "python3 -c \"import socket; socket.create_connection(('192.0.2.1', 80), 5)\"; ls /run | wc -l"
    )
    assert "itself" in told and "unreachable" in told and told.splitlines().count("0") == 1


def test_the_sandbox_sees_no_process_but_its_own_and_can_become_nobody_else():
    told = sh(
        "ls -d /proc/[0-9]* | wc -l; unshare --mount true; grep -h NoNewPrivs /proc/self/status; mount -t tmpfs x /mnt"
    )
    assert int(told.split()[0]) < 6
    assert "NoNewPrivs:\t1" in told and "Operation not permitted" in told


def test_the_sandbox_has_an_end_in_every_way():
    began = time.monotonic()
    assert confined(["sh", "-c", "while :; do :; done"], Limits(seconds=60, cpu_seconds=1)).rc != 0
    assert time.monotonic() - began < 45
    big = confined(["python3", "-c", "a = bytearray(3 * 10**9)"], Limits(seconds=30, memory=10**9))
    assert "MemoryError" in big.err
    full = sh(
        'head -c 9000000 /dev/zero > "$TMPDIR/a"; head -c 9000000 /dev/zero > "$TMPDIR/b"', disk=8_000_000
    )
    assert "File size limit" in full or "No space" in full


def test_a_self_test_that_does_not_end_has_failed(installation):
    verdict = sandboxed.selftest(installation.first, "books", limits=Limits(seconds=0.3))
    assert not verdict.ok and "did not end" in verdict.why


# -- proposals --------------------------------------------------------------------------------------------


def test_a_fix_goes_its_whole_way_and_back(installation):
    fixes = installation.fixes()
    before = installation.module(SPEED).read_text()
    fix = fixes.propose(BOOKS, "home@1", decision(), GOOD)
    assert (fix.state, fix.why) == (State.TRIAL, "It passed the self-test")
    assert "bringing books to a server" in fix.checks and not any(fix.checks.values())
    assert '+            return "nothing moves" if self.slow == 0' in fix.diff
    # Nothing that runs has changed: only the canary is to have it.
    assert installation.current == installation.first / "venv"
    assert installation.module(SPEED).read_text() == before
    release = fixes.release_for("home@1")
    assert release == installation.root / "releases" / fix.release and fixes.release_for("home@2") is None
    asked = "from medialift.books.speed import Speed; print(Speed(slow=1).sentence())"
    assert run(release, "-c", asked).stdout == "nothing moves now\n"

    assert fixes.take_over().state is State.IN_FORCE
    assert installation.current == release / "venv"
    assert fixes.on_trial() is None and fixes.release_for("home@2") == release

    # It holds through a restart of whoever watches.
    again = installation.fixes()
    assert again.in_force() == fixes.in_force()
    assert again.revert("it was worse").state is State.REVERTED
    assert installation.current == installation.first / "venv" and again.release_for("home@2") is None
    assert again.prune() == [fix.release] and installation.names() == [installation.first.name]
    kept = again.all()[0]
    assert (kept.diff, kept.explanation, kept.by, kept.why) == (
        fix.diff,
        "A figure is wrong",
        "model test",
        "it was worse",
    )
    json.dumps(kept.to_dict())


def test_a_fix_that_fails_the_self_test_never_reaches_a_worker(installation):
    fixes = installation.fixes()
    fix = fixes.propose(BOOKS, "home@1", decision(), BROKEN)
    assert fix.state is State.REFUSED
    assert "does not pass the self-test" in fix.why and "a worker's meter" in fix.why
    assert fix.checks["a worker's meter"] and fix.diff
    assert fixes.release_for("home@1") is None
    assert installation.names() == [installation.first.name]
    assert installation.current == installation.first / "venv"
    again = fixes.propose(BOOKS, "home@2", decision(), BROKEN)
    assert "tried before" in again.why and again.number == fix.number + 1


def test_a_fix_that_never_ends_is_refused_in_time(installation):
    limits = Limits(seconds=60, cpu_seconds=8)
    fixes = installation.fixes(
        test=lambda release, name, names: sandboxed.selftest(release, name, expected=names, limits=limits)
    )
    fix = fixes.propose(BOOKS, "home@1", decision("books/server/languages.py"), ENDLESS)
    assert fix.state is State.REFUSED and "self-test" in fix.why
    assert installation.names() == [installation.first.name]


@pytest.mark.parametrize(
    ("module", "text", "why"),
    [
        ("books/writes.py", GOOD.replace("speed", "writes"), "may not be edited"),
        ("", GOOD, "may not be edited"),
        ("../../../etc/passwd", GOOD, "may not be edited"),
        (SPEED, GOOD.replace("books/speed.py", "books/writes.py"), "another file"),
        (SPEED, GOOD + GOOD.replace("books/speed.py", "/etc/cron.d/x.sh"), "another file"),
        (SPEED, GOOD.replace('"nothing moves now"', '__import__("os").system("id")'), "breaks the rules"),
        (SPEED, GOOD.replace("if self.slow == 0 else", "if self.slow == 0 els"), "no Python"),
        (SPEED, GOOD.replace(">>>>>>> REPLACE\n", ""), "cut off"),
        (SPEED, GOOD.replace('"nothing moves"\n=', '"nothing stirs"\n='), "not in the module"),
        (SPEED, "I cannot help with that.", "no block"),
    ],
)
def test_a_malicious_or_broken_edit_is_refused_before_anything_is_copied(installation, module, text, why):
    tested: list[Path] = []
    fixes = installation.fixes(test=lambda release, *_: tested.append(release) or Verdict(True, {"one": ""}))
    fix = fixes.propose(BOOKS, "home@1", decision(module), text)
    assert fix.state is State.REFUSED and why in fix.why
    assert tested == [] and installation.names() == [installation.first.name]
    assert fixes.all() == [fix]


def test_nothing_is_taken_while_code_fixes_are_off(installation):
    settings = Settings.model_validate({"healing": {"root": str(installation.root)}})
    from medialift.healing.code.codefix import CodeFixes

    fix = CodeFixes.open(settings).propose(BOOKS, "home@1", decision(), GOOD)
    assert fix.state is State.REFUSED and "are off" in fix.why
    assert installation.names() == [installation.first.name]


def test_an_edit_is_not_blamed_for_a_self_test_that_fails_without_it(installation):
    fixes = installation.fixes(test=lambda *_: Verdict(False, {}, "no space"))
    fix = fixes.propose(BOOKS, "home@1", decision(), GOOD)
    assert "fails without the edit" in fix.why and installation.names() == [installation.first.name]
    # It may be proposed again when that is mended.
    assert installation.fixes(test=says()).propose(BOOKS, "home@1", decision(), GOOD).state is State.TRIAL


def test_only_one_fix_is_on_trial_at_a_time(installation):
    fixes = installation.fixes(test=says())
    fixes.propose(BOOKS, "home@1", decision(), GOOD)
    second = fixes.propose(BOOKS, "home@2", decision(), GOOD.replace("moves now", "moves yet"))
    assert second.state is State.REFUSED and "on trial" in second.why
    assert fixes.on_trial().worker == "home@1"


def test_a_fix_that_does_not_help_is_thrown_away_and_not_tried_again(installation):
    fixes = installation.fixes(test=says())
    fix = fixes.propose(BOOKS, "home@1", decision(), GOOD)
    release = fixes.release_for("home@1")
    assert fixes.discard("no progress within 2 min").state is State.DISCARDED
    assert fixes.release_for("home@1") is None and installation.current == installation.first / "venv"
    # As long as the canary runs from it its files stay.
    canary = subprocess.Popen([release / "venv" / "bin" / "python", "-c", "import time; time.sleep(60)"])
    try:
        assert fixes.prune() == []
    finally:
        canary.kill()
        canary.wait()
    assert fixes.prune() == [fix.release]
    assert "tried before" in fixes.propose(BOOKS, "home@1", decision(), GOOD).why


def test_a_fix_upon_a_fix_is_taken_back_step_by_step(installation):
    fixes = installation.fixes(test=says())
    first = fixes.propose(BOOKS, "home@1", decision(), GOOD)
    fixes.take_over()
    second = fixes.propose(BOOKS, "home@2", decision(), GOOD.replace("moves now", "moves yet").replace(
        '        return "nothing moves"\n=', '        return "nothing moves" if self.slow == 0 else "nothing moves now"\n='
    ))  # fmt: skip
    assert (second.base, second.state) == (first.release, State.TRIAL)
    fixes.take_over()
    assert [one.state for one in fixes.all()] == [State.IN_FORCE, State.REPLACED]
    assert fixes.prune() == []
    fixes.revert()
    assert fixes.in_force().number == first.number
    fixes.revert()
    assert fixes.in_force() is None and installation.current == installation.first / "venv"
    with pytest.raises(Permanent, match="No code fix"):
        fixes.revert()


def test_an_installation_goes_before_a_fix(installation):
    fixes = installation.fixes(test=says())
    fixes.propose(BOOKS, "home@1", decision(), GOOD)
    newer = installation.root / "releases" / "0.1.0+ba9876543210"
    shutil.copytree(installation.first, newer, symlinks=True)
    installation.releases.switch(newer)
    with pytest.raises(Permanent, match="Another release"):
        fixes.take_over()
    assert installation.releases.current() == newer
    fixes.discard("another release was installed")

    fixes.propose(BOOKS, "home@1", decision(), GOOD.replace("moves now", "moves yet"))
    fixes.take_over()
    installation.releases.switch(newer)
    assert fixes.in_force() is None and fixes.release_for("home@1") is None


def test_a_take_over_that_ended_half_way_is_taken_up_again(installation):
    fixes = installation.fixes(test=says())
    fix = fixes.propose(BOOKS, "home@1", decision(), GOOD)
    installation.releases.switch(installation.root / "releases" / fix.release)
    assert installation.fixes().take_over().state is State.IN_FORCE


def test_a_revert_without_the_release_before_it_says_what_to_do(installation):
    fixes = installation.fixes(test=says())
    fix = fixes.propose(BOOKS, "home@1", decision(), GOOD)
    fixes.take_over()
    shutil.rmtree(installation.first)
    with pytest.raises(Permanent, match="role runtime"):
        fixes.revert()
    assert installation.current == installation.root / "releases" / fix.release / "venv"


def test_a_revert_takes_back_a_trial_as_well(installation):
    fixes = installation.fixes(test=says())
    fixes.propose(BOOKS, "home@1", decision(), GOOD)
    assert fixes.revert().state is State.REVERTED
    assert fixes.release_for("home@1") is None


def test_two_processes_are_never_at_the_releases_at_once(installation):
    with locks.alone(installation.root / ".fixes.lock"), pytest.raises(Exception, match="Another process"):
        installation.fixes(test=says()).propose(BOOKS, "home@1", decision(), GOOD)


def test_the_text_that_an_edit_has_to_match_is_that_of_the_release_in_use(installation):
    fixes = installation.fixes()
    assert fixes.source(BOOKS, SPEED) == installation.module(SPEED).read_text()
    with pytest.raises(Unsafe, match="may not be edited"):
        fixes.source(BOOKS, "settings.py")
