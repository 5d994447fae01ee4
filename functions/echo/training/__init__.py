"""How the weights came about: phantoms drawn by rule, and the training on them. Not needed to run."""
