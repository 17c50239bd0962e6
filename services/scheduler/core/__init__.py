"""The scheduler's decisions: pure functions over values."""
