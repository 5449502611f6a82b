"""``from ConfigurationManager import ConfigurationManager``, as users of rta-dp write it."""

from penstock.compat.rtadp.config_lookup import ConfigurationManager, get_custom_config, get_pull_config

__all__ = ["ConfigurationManager", "get_custom_config", "get_pull_config"]
