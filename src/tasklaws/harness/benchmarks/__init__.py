"""lm-eval's own tasks and groups: their documents as items, asked, and scored from stored answers."""
