"""`python3 engine/backend.py [--delegated-addr ADDRESS]`: tasks, WebSocket and the raw socket of the app."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent))

import settings

from sandbox.mybookshelf.container import serve_backend

serve_backend(settings)
