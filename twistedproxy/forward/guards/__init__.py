"""Guards: what stands between a route and whoever asks; one file a guard, decisions apart from what waits for them."""
