"""What people see and hear: figures and the page."""
