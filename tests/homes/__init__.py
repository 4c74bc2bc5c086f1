"""What plays the clouds in tests: emulators, and the services between them and the functions."""
