"""Files that a route answers with: what static = DIRECTORY does."""
