"""The HTTP side of the simulators: protocols in and out, control, records."""
