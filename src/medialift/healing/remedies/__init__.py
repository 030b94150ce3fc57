"""What is done to a worker that is stuck."""
