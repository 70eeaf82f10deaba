"""From a request to its fact: claim, ask, dial, hear, store, publish."""
