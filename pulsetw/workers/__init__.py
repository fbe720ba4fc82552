"""Many processes on the same ports: one that speaks for all (`supervisor`), and those that serve clients (`worker`)."""
