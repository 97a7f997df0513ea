"""What became of a request, told phase by phase."""
