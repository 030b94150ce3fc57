"""Loading plug-ins: modules by their names, files by their paths. One that cannot be loaded is told."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy

from medialift.audiobooks.plugins import hooks
from medialift.audiobooks.plugins.calling import Caller
from medialift.audiobooks.plugins.plugins import Plugins
from medialift.errors import MedialiftError
from medialift.settings import AudiobooksSettings


def load(settings: AudiobooksSettings, *, tell: Callable[[str], object] = lambda _problem: None) -> Plugins:
    """The plug-ins that the settings name, in that order.

    A file must belong to root or to the user that runs this, and nobody else may be able to write it, or the
    folder that it is in: it is run with all rights of the intake.

    Args:
        tell: is told each problem, now and later. Those of now are also in `Plugins.problems`.
    """
    manager = pluggy.PluginManager(hooks.PROJECT)
    manager.add_hookspecs(hooks)
    problems: list[str] = []
    for place in settings.plugins:
        name = _name(place)
        try:
            module = Caller(name, settings.plugin_timeout).call(partial(_imported, place))
            problems += _registered(manager, name, module)
        except MedialiftError as error:
            problems.append(f"Plug-in {name} is left out: {error.what}")
    for problem in problems:
        tell(problem)
    return Plugins(manager, timeout=settings.plugin_timeout, tell=tell, problems=tuple(problems))


def _registered(manager: pluggy.PluginManager, name: str, module: Any) -> list[str]:
    api = getattr(module, "API", hooks.API)
    if api != hooks.API:
        return [
            f"Plug-in {name} is left out: it is written for version {api} of the hooks, "
            f"and these are version {hooks.API}"
        ]
    if manager.has_plugin(name):
        return [f"Plug-in {name} is named twice"]
    try:
        manager.register(module, name)
        # A function whose name is none of the hooks is a mistake in writing, and would never be called.
        manager.check_pending()
    except (pluggy.PluginValidationError, ValueError) as error:
        manager.unregister(name=name)
        return [f"Plug-in {name} is left out: {' '.join(str(error).split())}"]
    if not manager.get_hookcallers(module):
        manager.unregister(name=name)
        return [f"Plug-in {name} is left out: it has no function that is marked with hookimpl"]
    return []


def _imported(place: str) -> ModuleType:
    if not Path(place).is_absolute():
        return importlib.import_module(place)
    path = Path(place)
    _trusted(path)
    spec = importlib.util.spec_from_file_location(f"medialift_audiobooks_plugin_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _trusted(path: Path) -> None:
    for one in (path, path.parent):
        found = one.stat()
        if found.st_uid not in (0, os.geteuid()) or found.st_mode & 0o022:
            raise PermissionError(f"{one} may be written by others: chown root, chmod go-w")


def _name(place: str) -> str:
    return Path(place).stem if Path(place).is_absolute() else place
