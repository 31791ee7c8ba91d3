"""The stages DVC runs, each `run(config) -> result`."""
