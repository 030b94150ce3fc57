"""Who may use the dashboard: people, tokens, sessions, proxies, and the gate that asks all of them."""
