"""The load of the engine: measured, forecast, and the steps taken when it is too high."""
