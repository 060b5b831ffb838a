"""What a crash leaves of an SQLite storage: processes that are killed, and disks that lose their power.

`python -m benchmarks.crash kill --times 10000` and `python -m benchmarks.crash power --times 10000` print how many
crashes there were, what was accepted before them, and what was wrong after them: nothing, or it is a fault.
"""
