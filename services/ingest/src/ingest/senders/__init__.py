"""Signatures and sender IDs: what an account may send under, country by country."""
