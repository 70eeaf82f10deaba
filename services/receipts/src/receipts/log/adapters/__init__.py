"""The log's adapters: MongoDB and Kafka."""
