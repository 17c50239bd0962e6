"""The fetcher's decisions: pure functions over values."""
