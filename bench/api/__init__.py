"""The API process alone, under load, on real servers."""
