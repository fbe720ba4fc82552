"""Sockets: the front reads a request's head and hands on to Autobahn or to twisted.web."""
