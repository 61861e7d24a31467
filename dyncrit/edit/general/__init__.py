"""Changes and queries at the level of documents and fields: get, set, patch, edit and grep."""
