# Each target calls one script or tool; see there.
MODE ?= delta
TRIES ?= 5

.PHONY: setup demo demo-books demo-audiobooks demo-dashboard test soak lint bench docs clean

setup:
	@sandbox/setup

# MODE=delta (the default) or MODE=scratch
demo: setup
	@.venv/bin/python -m sandbox.demo $(MODE)

# BOOKS=2000 makes a larger library
demo-books: setup
	@.venv/bin/python -m sandbox.demo_books $(if $(BOOKS),--books $(BOOKS))

# Without Docker
demo-audiobooks: setup
	@.venv/bin/python -m sandbox.demo_audiobooks

# Without Docker: it serves until Ctrl-C. ONCE=yes only looks at every page
demo-dashboard: setup
	@.venv/bin/python -m sandbox.demo_dashboard $(if $(ONCE),--once) $(if $(BOOKS),--books $(BOOKS))

test:
	@sandbox/setup test
	@tests/run

# The faults again, each at TRIES moments (5); the table is in artifacts/faults.json too
soak:
	@sandbox/setup test
	@tests/run -m fault --tries $(TRIES) --fault-table artifacts/faults.json

lint: setup
	@.venv/bin/pytest tests/lint

# ONLY=plex measures one group
bench: setup
	@.venv/bin/python -m benchmarks $(ONLY)

docs: setup
	@.venv/bin/python -m docs

clean: setup
	@.venv/bin/python -m sandbox clean
	@rm -rf .cache artifacts
