"""A site that is tried without a port: made-up requests take the way of real ones, as far as the peers, which are made up too."""
