"""Red marrow in a run: samples from CSV files, and all methods that they and the images allow."""
