"""The sandbox: a small faithful world on one Debian machine, in which the production roles run unchanged."""
