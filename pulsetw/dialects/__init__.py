"""Wire languages: each translates between its text and `pulsetw.commands`, decides nothing and keeps nothing."""
