"""One training, from its checkpoint to its last update, and where its metrics go."""
