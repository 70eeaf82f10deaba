"""Accounts: in MongoDB, changed through the API, answered from memory."""
