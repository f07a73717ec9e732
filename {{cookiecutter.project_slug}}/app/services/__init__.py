"""The rules, a module per resource; they know nothing of HTTP."""
