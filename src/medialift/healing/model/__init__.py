"""A language model is asked what ails a worker: what it may be told, what it may answer, what it may cost."""

from medialift.healing.model.answer import Refused, Why
from medialift.healing.model.asking import Model

__all__ = ["Model", "Refused", "Why"]
