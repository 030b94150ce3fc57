"""`python3 server.py [VISIBLE] [NO_DEBUG]`: the app, on every address when it is to be visible."""

import sys

import settings

from sandbox.mybookshelf.container import serve_app

serve_app(settings, visible="VISIBLE" in sys.argv[1:])
