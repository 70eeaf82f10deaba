"""The push's ports, implemented."""
