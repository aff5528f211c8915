"""What one would write without this program, each as fast as its kind allows."""
