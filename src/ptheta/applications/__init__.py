"""What one does with models. Each application returns a result; reports and the command line draw and write it."""
