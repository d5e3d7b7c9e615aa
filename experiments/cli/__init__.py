"""The border to the command line: flags, parsing, what is printed, signals."""
