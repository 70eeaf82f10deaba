"""Carriers that speak SMPP 3.4: binds that keep themselves up, submits, receipts and replies."""
