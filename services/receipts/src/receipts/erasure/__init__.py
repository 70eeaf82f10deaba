"""Erasure of a person, or of an account (GDPR, article 17), and its proof."""
