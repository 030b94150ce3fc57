# Each target calls one script or tool; see there.
MODE ?= delta

.PHONY: setup demo test lint bench docs clean

setup:
	@sandbox/setup

# MODE=delta (the default) or MODE=scratch
demo: setup
	@.venv/bin/python -m sandbox.demo $(MODE)

test:
	@sandbox/setup test
	@tests/run

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
