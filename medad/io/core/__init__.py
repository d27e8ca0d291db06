"""What every reader and the grouping of files into studies share; imports nothing else of medad/io."""
