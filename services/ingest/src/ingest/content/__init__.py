"""What may be said: values that inject, words that are not sent, marketing and links. Pure."""
