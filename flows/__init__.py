"""What an operator starts: one Prefect flow a file."""
