"""HTTP and the page: a run's views, state and parameters for whoever looks, in a process of its own."""
