"""Authentication and authorisation: who a caller is, and what a caller may do."""
