"""The service: `app.main.create_app` puts it together, `app.cli` runs it."""
