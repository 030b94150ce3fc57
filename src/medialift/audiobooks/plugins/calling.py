"""One call into foreign code, with an end: it may fail, hang, or want to end the whole process."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from typing import Any

from medialift.errors import Permanent, Transient


class Caller:
    """Calls one plug-in. While a call that ran out of time is still going on, there is no further one."""

    def __init__(self, name: str, timeout: float) -> None:
        self._name, self._timeout = name, timeout
        self._hanging: list[Thread] = []

    def call(self, function: Callable[[], Any]) -> Any:
        """What the function returns.

        It runs in a thread of its own, which is left behind when it takes too long: nothing can end it.

        Raises:
            Permanent: it failed, in whatever way.
            Transient: it took longer than it may, or one before it still does.
        """
        self._hanging = [thread for thread in self._hanging if thread.is_alive()]
        if self._hanging:
            raise Transient("It was left out, since an earlier call of it has not ended", self._name)
        result: list[Any] = []
        errors: list[BaseException] = []

        def run() -> None:
            try:
                result.append(function())
            except BaseException as error:  # SystemExit as well: a plug-in does not end the service
                errors.append(error)

        thread = Thread(target=run, name=f"plug-in {self._name}", daemon=True)
        thread.start()
        thread.join(self._timeout)
        if thread.is_alive():
            self._hanging.append(thread)
            raise Transient(f"It did not end within {self._timeout:g} s, and is left behind", self._name)
        if errors:
            error = errors[0]
            raise Permanent(f"It failed ({type(error).__name__}: {error})", self._name) from error
        return result[0] if result else None
