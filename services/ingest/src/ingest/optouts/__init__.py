"""Numbers that want no messages, or get none: by their own word, an account's or an operator's."""
