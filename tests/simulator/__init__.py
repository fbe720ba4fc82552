"""Random histories of a failing broker, and the real `Consumer` that has to tell all that it loses."""
