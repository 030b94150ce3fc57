"""What all tests share: the table of faults, which tests of every kind fill, and one object store."""

pytest_plugins = ["tests.faults.table", "tests.store_world"]
