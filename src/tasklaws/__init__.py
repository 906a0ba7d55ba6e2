"""Task-based scaling laws: predict which tasks the next model can do, then check."""
