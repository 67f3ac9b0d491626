"""From a file's bytes to float samples: one module a family of files, chosen by what a file begins with.

`kinds` tells what a file is and which suffixes are looked for; `wav`, `ogg` and `containers` read what
libsndfile can't read as it should be read; `placement` puts decoded pieces at their time stamps. `audio` is
the entry.
"""
