"""The treaty between the services: only what two of them would break each other by disagreeing about."""

VERSION = "0.1.0"
