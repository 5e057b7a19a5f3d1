"""What lies on disk: a run's folder, and the store of what runs share. Without torch."""
