"""The command line ``pulsetw``: a verb is a file, `main` puts them together."""
