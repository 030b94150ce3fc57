"""What all tests share: the table of faults, which tests of every kind fill."""

pytest_plugins = ["tests.faults.table"]
