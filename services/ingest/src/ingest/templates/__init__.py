"""Templates: what they are made of, how they become approved, and which text is one of them."""
