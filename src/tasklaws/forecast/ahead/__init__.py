"""Forecasts of models that nobody ran: how they are told, placed, forecast and shown."""
