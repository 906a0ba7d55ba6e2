"""Decisions between models and between recipes: which is better, and could these results show it?"""
