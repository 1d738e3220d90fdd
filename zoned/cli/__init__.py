"""The command line: one module per family of verbs, each loaded only when it is called."""
