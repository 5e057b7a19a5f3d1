"""Many runs: as jobs of a sweep, as a table, on SLURM."""
