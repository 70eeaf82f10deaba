"""The replies' store."""
