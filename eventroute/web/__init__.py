"""Pages for people, as ASGI apps that can be mounted anywhere: rendered on the server, with nothing from elsewhere."""
