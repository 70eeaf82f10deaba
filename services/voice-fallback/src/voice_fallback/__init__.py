"""Calls the recipient when no SMS gets through."""
