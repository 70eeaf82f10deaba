"""A thousand customers' endpoints, some of them dead, some slow: what the others notice."""
