"""What belongs to one process or thread: credentials, signals, limits, timers, filters."""
