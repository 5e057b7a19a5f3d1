"""What may be asked for: the command line and the config, checked before any work. Without torch."""
