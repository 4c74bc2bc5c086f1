"""What became of a letter, and what comes next. Pure: no network, no clock, no environment."""
