"""Exports: an account's messages as CSV or XLSX, by a job that any instance carries on."""
