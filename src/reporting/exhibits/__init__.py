"""What a page shows of outputs beside their numbers: programs side by side, molecules, images; by what a judge says."""
