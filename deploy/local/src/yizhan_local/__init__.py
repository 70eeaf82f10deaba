"""A real Kafka, a real mongod and the whole stack on one machine without Docker."""
