"""What recipients send back: matched with the message that they answer, and stored."""
