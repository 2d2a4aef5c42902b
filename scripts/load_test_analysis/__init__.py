"""Reads results of pool-loadtest and tells what they say; used by ../analyze_load_test.py.

In reading order: reading (JSON in), hdr (histograms), result and loading (the facts), judging them (checks, findings),
putting several together (merging, baseline), and showing them (figures, text, machine, plots).
"""
