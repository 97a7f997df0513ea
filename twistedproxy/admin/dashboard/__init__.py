"""The dashboard on the status port: what it remembers, what it shows, who may change something, and the page itself."""
