"""Text models: tokenizers, corpora, training, writing, and the base models the project carries."""
