"""What people declare: the pipeline file and its Python form, checked and turned into a plan."""
