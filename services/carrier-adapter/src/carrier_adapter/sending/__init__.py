"""From a planned attempt to its fact: look, claim, hand over, store, publish, finish."""
