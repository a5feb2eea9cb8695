"""One file a format; each turns files into the canonical `Dictionary` or says what is missing."""
