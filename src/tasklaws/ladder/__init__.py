"""A ladder of models: their corpus, training, fetching from a hub, and the cards that describe them."""
