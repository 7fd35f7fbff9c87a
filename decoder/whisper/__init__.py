"""Share plans, prompts, languages, loops and words among the Whisper engines; each engine brings its own network."""
