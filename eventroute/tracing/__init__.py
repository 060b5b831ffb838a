"""Where did my event go? Events are found in the log, and followed to each subscription of their bus."""
