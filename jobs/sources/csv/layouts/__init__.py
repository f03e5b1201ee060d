"""The CSV layouts that are known without a mapping file, a TOML file each in the form of one."""
