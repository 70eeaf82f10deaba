"""The yizhan command: topics, dead letters, the story of a message, generated documents."""
