"""The glue every module of medialift shares: find the runtime package, and report its errors.

All logic lives in the runtime package `medialift`. On a host it is installed by the role `runtime` in a venv
of its own, so a module that Ansible started under the system's Python restarts itself under that venv's.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import pathlib

from ansible.module_utils.common.respawn import has_respawned, respawn_module

# The venv of the release in use: a link that the role `runtime` switches.
CURRENT = "/opt/medialift/current"

# respawn_module writes code and options into a pipe of 64 KiB before anything reads it: with more it hangs
# for ever.
LARGEST_ARGUMENTS = 48 * 1024


def runtime(module, name="medialift", changes=True):
    """Return the module `name` of the runtime package; restart under its interpreter if need be.

    Call it right after AnsibleModule(...), and never import medialift at the top of a module's file.

    In check mode, on a host that has no runtime yet, the module ends with a predicted change
    (`predicted: true`): the role `runtime` would have installed it in a real run. `changes=False` is for
    modules that only read: they predict no change.
    """
    try:
        return importlib.import_module(name)
    except ImportError as missing:
        # The folder is resolved, never bin/python itself: that would lead out of the venv.
        python = pathlib.Path(CURRENT).resolve() / "bin" / "python"
        installed = os.access(python, os.X_OK)
        if has_respawned() or not installed:
            _absent(module, missing, changes, installed)
        size = len(json.dumps(module.params, default=str).encode("utf-8"))
        if size > LARGEST_ARGUMENTS:
            module.fail_json(
                msg=f"The options are too large to hand to the runtime: {size} bytes, at most "
                f"{LARGEST_ARGUMENTS}. Put the content in a file on the host and give its path instead.",
                kind="permanent",
            )
        respawn_module(str(python))  # does not return


def _absent(module, missing, changes, installed):
    if module.check_mode and not installed:
        module.exit_json(
            changed=changes,
            predicted=True,
            msg="The medialift runtime is not on this host yet, so this is a prediction: the role 'runtime' "
            "would install it before this task.",
        )
    if installed:
        what = f"The medialift runtime on this host is too old or damaged ({missing})"
        hint = "Apply the role 'runtime' again"
    else:
        what = f"The medialift package is not on this host ({missing})"
        hint = "Apply the role 'runtime' first"
    module.fail_json(msg=f"{what}. {hint}.", exception=None, kind="permanent", what=what, hint=hint)


@contextlib.contextmanager
def reporting_errors(module, **result):
    """Turn an error of medialift into fail_json(msg, kind, what, subject, hint, **result).

    `result` is what a failed module should still return. Any other exception is a defect and stays as it is.
    """
    from medialift.errors import MedialiftError

    try:
        yield
    except MedialiftError as error:
        module.fail_json(msg=str(error), exception=None, **{**result, **error.to_dict()})
