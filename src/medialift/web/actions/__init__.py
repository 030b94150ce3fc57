"""What a person does to items and queues from the browser or by the API.

Each calls the function that the commands call, and writes down who did what, what it was and what it is.
"""
