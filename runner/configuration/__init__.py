"""
What a deployment sets: in the environment, in files of secrets, in a TOML file.

These are the settings of every application. One that has more of its own inherits `Settings`.
"""

from runner.configuration.environment import (
    CONFIG_VARIABLE,
    SECRETS_VARIABLE,
    Settings,
    current,
    load,
    use_config_file,
)
from runner.configuration.groups import Group

__all__ = [
    "CONFIG_VARIABLE",
    "SECRETS_VARIABLE",
    "Group",
    "Settings",
    "current",
    "load",
    "use_config_file",
]
