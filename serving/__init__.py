"""Event in, advice out: the service, its routes and its sessions."""
