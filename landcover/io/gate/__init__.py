"""The gate: files from outside are read in worker processes, with limits on time and memory."""
