"""The text of site.ini becomes settings; every error is told at once, and no port is opened."""
