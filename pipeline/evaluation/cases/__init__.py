"""How the page of mistakes shows rows, by what a model has to find and what it is given."""
