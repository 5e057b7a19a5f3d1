"""From finished run folders to tables, a plot and programs side by side."""
