"""The page's looks: readable in light and dark, on a phone, and printed."""

STYLE = """
:root { color-scheme: light dark; --line: #8884; --dim: #888; }
body { font: 15px/1.45 system-ui, sans-serif; margin: 1.5rem auto; max-width: 75rem; padding: 0 1rem; }
h1 { font-size: 1.4rem; margin: 0 0 .3rem; } h2 { font-size: 1.05rem; margin: 1.6rem 0 .4rem; }
h3 { font-size: .95rem; margin: 1rem 0 .3rem; } header p { margin: .1rem 0; color: var(--dim); }
h1 b { font-size: .75rem; margin-left: .6rem; padding: .15rem .5rem; border-radius: 1rem; color: #fff; }
.good { background: #2a7d46; } .bad, .banner { background: #b3261e; }
.banner { color: #fff; padding: .4rem .7rem; border-radius: .3rem; }
section { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .87rem; }
th { text-align: left; font-weight: 600; color: var(--dim); vertical-align: bottom; }
th.n { text-align: right; }
th, td { padding: .2rem .7rem .2rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
.n { text-align: right; font-variant-numeric: tabular-nums; }
.none, .note { color: var(--dim); font-size: .87rem; }
.failed, .left { color: #b3261e; } .suspect, .leaving { color: #b26a00; }
.side { display: flex; gap: 2rem; align-items: center; flex-wrap: wrap; } .side table { flex: 1; }
.ring { width: 220px; } .ring path { fill: none; stroke-width: 26; }
.ring text { text-anchor: middle; fill: currentColor; font-size: 12px; } .ring .id { font-family: monospace; }
i { display: inline-block; width: .7rem; height: .7rem; border-radius: 50%; margin-right: .35rem; }
code { font-size: .85em; overflow-wrap: anywhere; }
"""
