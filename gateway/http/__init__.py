"""The HTTP server: application, routes by API, and what protects them."""
