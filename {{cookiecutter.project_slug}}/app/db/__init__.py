"""The database: engine, sessions, base of the models, column types, pagination, schema."""
