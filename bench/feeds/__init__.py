"""What receipts does when a carrier's receipts do not come, or come too late."""
