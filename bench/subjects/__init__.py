"""One module a proxy: the configuration it is started with, and its command line."""
