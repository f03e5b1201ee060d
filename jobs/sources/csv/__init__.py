"""CSV files: recognise the layout, read the rows, and keep what each row says."""
