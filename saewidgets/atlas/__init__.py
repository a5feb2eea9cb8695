"""Statistics and examples of every feature over a corpus, gathered in one pass and kept on disk."""
