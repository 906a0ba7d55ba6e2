"""Claims: forecasts in a file that others can check once the outcome is there."""
