"""What every part stands on: settings, errors, logs, middleware, limits, health."""
