"""`make docs`: write what is generated in the docs; `python -m docs --check` only compares."""

import sys

from docs import generate, role_tables

sys.exit(max(role_tables.main(sys.argv[1:]), generate.main(sys.argv[1:])))
