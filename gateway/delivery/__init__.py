"""From a session to its readers: publisher, send queues, live broadcast."""
