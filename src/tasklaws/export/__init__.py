"""A ladder's run as a crate that other tools read: RO-Crate, profile Provenance Run Crate."""
