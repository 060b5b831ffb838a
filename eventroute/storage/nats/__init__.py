"""The storage on NATS JetStream: a ledger that every process replays from one stream."""
