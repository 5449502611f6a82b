"""What instruments send, packet by packet, as models that allow further keys."""
