"""What it takes to stand beside other frameworks."""
