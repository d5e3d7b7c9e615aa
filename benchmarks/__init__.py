"""Speed, against the targets that this project set itself; see README.md here."""
