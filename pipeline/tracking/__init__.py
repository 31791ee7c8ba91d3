"""The only importer of mlflow: journal, delivery, run metadata."""
