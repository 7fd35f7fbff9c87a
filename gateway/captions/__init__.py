"""From transcripts to subtitle cues: words, lines, cues, subtitle files."""
