"""Delivery: a tagged book into the libraries of its servers, verified, under a name that they all take."""

from medialift.audiobooks.delivery.approval import approve
from medialift.audiobooks.delivery.delivering import Delivered, deliver, failure

__all__ = ["Delivered", "approve", "deliver", "failure"]
