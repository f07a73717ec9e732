"""The database: engine, session, base of the models, column types, pages, schema."""
