"""Who asks: API keys, their secrets and scopes, and what a request must show to be let in."""
