"""What goes out by HTTP: to which networks, and by which of this process's ways."""
