"""Words that sources write in their reader's language: one table of each kind, in TOML."""
