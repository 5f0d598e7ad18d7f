"""What dispatch does: lead shards, take inputs in, answer commands."""
