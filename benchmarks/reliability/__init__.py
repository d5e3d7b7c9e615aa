"""What the software survives, counted."""
