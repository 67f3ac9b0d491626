"""From a file's bytes to float samples: one module per family of files, chosen by a file's first bytes.

`kinds` tells what a file is and which suffixes are searched for. `wav`, `ogg` and `containers` read what
libsndfile can't read, or reads wrongly. `placement` puts decoded pieces at their time stamps. Callers use
`audio`.
"""
