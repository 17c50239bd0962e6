"""The only package that imports dramatiq or pika: jobs between the services, events from and to the UI."""
