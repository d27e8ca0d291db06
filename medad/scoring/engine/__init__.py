"""Reading, scoring and drawing studies with worker processes, on one machine or on a Ray cluster."""
