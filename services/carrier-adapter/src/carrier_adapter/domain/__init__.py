"""Pure rules of the adapter: claims, facts, lanes, rate, breaker, replays. No I/O, no clock."""
