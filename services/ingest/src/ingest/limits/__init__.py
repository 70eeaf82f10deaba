"""How much an account may ask for: requests a second, messages a day and month, per recipient."""
