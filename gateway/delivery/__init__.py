"""Delivery of events to clients and viewers: publisher, send queues, live broadcast."""
