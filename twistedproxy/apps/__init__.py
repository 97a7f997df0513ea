"""Apps in the proxy's own process: to a route each is a pool of one peer."""
