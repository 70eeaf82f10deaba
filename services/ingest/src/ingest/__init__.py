"""Takes shipment events and requests, checks them, renders and publishes messages."""
