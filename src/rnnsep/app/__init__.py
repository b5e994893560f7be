"""The command line, and separation of the user's own songs."""
