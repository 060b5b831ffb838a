"""The demo: a GitHub webhook comes in, is kept, matched, reshaped and pushed to a receiver that plays Slack."""
