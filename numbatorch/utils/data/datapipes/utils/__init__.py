"""What several steps of data pipes need."""
