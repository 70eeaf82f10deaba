"""The demo: a few hundred shipment events from end to end, with a conservation check."""
