"""Settings of all tests."""

from hypothesis import settings

# No deadline: how long an example takes says how busy the machine is.
settings.register_profile("livecue", deadline=None)
settings.load_profile("livecue")
