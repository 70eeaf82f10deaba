"""Pure rules of calls: what their documents say, what comes next, when one may ring. No I/O."""
