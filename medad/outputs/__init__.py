"""Write tables, plots, pictures, the report page and the triage page."""
