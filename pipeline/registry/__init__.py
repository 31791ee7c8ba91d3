"""Models that are worth keeping: registering a run's, and promoting one that passes the gate."""
