"""The protected model and the safety mathematics: tensors in, numbers out, no disk, no web."""
