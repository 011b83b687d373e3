"""The only code that talks to Valkey or Redis."""
