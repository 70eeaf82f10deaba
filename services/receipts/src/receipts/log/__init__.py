"""The message log: what became of messages, searched by people and by programs."""
