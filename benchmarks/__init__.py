"""Measures Emma beside its neighbours; each module prints a table and is run by hand."""
