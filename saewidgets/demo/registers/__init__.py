"""The kinds of documents, one file an idea; every function takes a pen and returns one marked document."""
