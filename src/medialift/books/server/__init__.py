"""MyBookshelf2 as its clients meet it: one login, one WebSocket, and answers that are read with care."""
