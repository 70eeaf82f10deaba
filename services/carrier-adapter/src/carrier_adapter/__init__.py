"""Hands attempts to carriers and takes their receipts."""
