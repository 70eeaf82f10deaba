"""What is looked at before it may be sent: templates and senders, their steps and who took them."""
