"""Home Assistant's protocol Wyoming."""
