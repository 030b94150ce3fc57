"""medialift: lifts heavy work off a home media server, and never makes a library worse."""

__version__ = "0.1.0"
