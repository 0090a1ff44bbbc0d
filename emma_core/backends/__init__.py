"""The backends: one file for each thing outside Emma, chosen by the scheme of its address."""
