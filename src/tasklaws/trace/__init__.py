"""From a curve back to what it rests on: outputs, stages, params, code, weights, items, and what was said."""
