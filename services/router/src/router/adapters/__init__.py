"""The router's ends: the table's file, and Kafka's topics."""
