"""The groups of commands, one module each; ``main`` puts them together."""
