"""Business rules, one module per resource. They are independent of HTTP."""
