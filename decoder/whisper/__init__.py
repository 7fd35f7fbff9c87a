"""What all engines of Whisper share: plans, prompts, languages, loops, words. The networks are the engines' own."""
