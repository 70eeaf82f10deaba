"""What implements ingest's ports on real things."""
