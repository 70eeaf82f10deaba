"""What a channel is held to: its rate, lanes and window, over several carrier-adapters."""
