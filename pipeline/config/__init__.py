"""Configuration: the schema, its composition by Hydra, and its validation."""
