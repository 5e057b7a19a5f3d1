"""What a report shows beside its numbers: programs side by side, images; chosen by what lies in the run folders."""
