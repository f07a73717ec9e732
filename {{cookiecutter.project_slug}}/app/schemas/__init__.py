"""Shapes of requests and answers, a module per resource."""
