"""The YAML configuration of `composed`; a package so that Hydra finds it in the installed wheel too."""
