"""Asking models through lm-eval, and scoring what they said."""
