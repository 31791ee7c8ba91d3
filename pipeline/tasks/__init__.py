"""What is learned: one file a task, each behind the same contract."""
