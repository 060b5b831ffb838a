"""ASGI apps that take events in: CloudEvents over HTTP, and what others send, made into CloudEvents."""
