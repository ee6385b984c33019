"""The files of ABS, which the generator lacks, as CONTRIBUTING has a new operator added."""
