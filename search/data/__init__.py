"""What is learnt from: tasks, features, synthetic speech."""
