"""The plugin manager, and the plugins every client starts with."""
