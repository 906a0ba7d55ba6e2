"""What everything else stands on: errors, files, settings, the nouns of the experiment, worker processes."""
