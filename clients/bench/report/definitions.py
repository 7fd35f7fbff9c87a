"""What each metric means, in a sentence. PURE."""

__all__ = ["DEFINITIONS"]

DEFINITIONS = (
    (
        "Lag",
        "Time at which a text arrived, minus the time at which its word ended in the audio, played in real time.",
    ),
    ("Word first shown", "End of a word until any display has something in its place, right or wrong."),
    ("Word shown", "End of a word until it is displayed in a form that never goes away again."),
    ("Word committed", "End of a word until the server promises to keep it until the final."),
    ("Word final", "End of a word until the final that contains it."),
    ("End of speech → final", "End of the last word before a pause until the final with this word: TTFS."),
    ("First partial", "Start of the first word of an utterance until anything of it is displayed."),
    ("Between updates", "Time between two changes of the display while somebody speaks."),
    (
        "Words wrong (WER)",
        "Words substituted, inserted and deleted in the finals, per spoken word, after the normaliser.",
    ),
    ("Characters wrong (CER)", "The same for characters."),
    ("Finals missing", "Ends of speech whose last word is in no final. They have no lag, so they are counted."),
    ("Finals premature", "Finals that ended a segment between two words without a pause between them."),
    ("Erasure", "Words taken back between two partials, per word of the finals; 0: the display only grows."),
    ("Words withdrawn", "Displayed words that are not in the final, by alignment."),
    ("Words on time", "Words shown within the limit of the SLO, of all that were spoken."),
    ("Words invented", "Words written during silence, noise or music."),
    ("Speech without a word", "Stretches of speech of which no final has a single word."),
    ("Capacity", "The most streams at which every condition of the SLO held for the whole run."),
    ("Goodput at overload", "Words on time at twice the capacity, over those at capacity."),
    ("Late", "Delay of the client's own frames. Too much of it makes a run invalid: its lags are the client's."),
    ("Blocked", "Time that the server's connection took no audio. It counts as lag of the server."),
)
"""(Metric, meaning)."""
