"""What goes in and out over HTTP, a module per resource."""
