"""Programs on SQLite and PostgreSQL, for everything that servers share in a database: runs, budgets, quotas."""
