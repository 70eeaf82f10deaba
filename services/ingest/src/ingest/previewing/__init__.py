"""A dry run: what a message would say, take and cost, and why it would not go. Sends nothing."""
