"""What runs: from the start through reloads to the end."""
