"""The workbench in a browser without a notebook: tuner, failures, labels, sessions, report and export.

`server` serves one page; each tab of a browser has a Python of its own, which shows a `Workbench`.
"""
