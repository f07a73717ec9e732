"""Shared by all parts: settings, errors, logging, middleware, health checks."""
