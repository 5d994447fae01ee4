"""Which way to a GPU pays: the same files by each way that a cluster has, measured and compared."""
