"""Text models: tokenizers, corpora, training and the small base models the project carries."""
