"""Shipment events: read, judged by the account's rules, answered one by one."""
