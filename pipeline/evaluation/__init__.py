"""What a model is worth: intervals, calibration, baselines, plots and reports."""
