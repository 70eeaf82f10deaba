"""A message centre that nobody here wrote: the SMPP server of npm's `smpp`, as a program."""
