"""MLflow as an index of what the pipeline has written: rebuilt, compared with it and shown as often as wanted."""
