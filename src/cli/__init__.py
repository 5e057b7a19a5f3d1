"""The commands: one file each, words in, one call, words out."""
