"""Router: chooses the channel of every attempt, and owns the channel table."""
