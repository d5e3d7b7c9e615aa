"""A trained policy as a file that runs on a robot, with a contract beside it."""
