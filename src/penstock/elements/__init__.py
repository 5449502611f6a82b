"""What a pipeline is made of: sources, steps, sinks, and the classes users may subclass."""
