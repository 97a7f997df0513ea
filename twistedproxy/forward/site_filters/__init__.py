"""``filters``: classes of the site's own that see and change requests and answers."""
