"""What a crash leaves of a storage: processes that are killed, and disks that lose their power.

`python -m benchmarks.crash kill --times 10000` and `python -m benchmarks.crash power --times 10000` print how many
crashes there were, what was accepted before them, and what was wrong after them: nothing, or it is a fault.

`python -m benchmarks.crash workers --seconds 120 --storage postgresql --restarts 2` kills one of six workers each
second while events are published, restarts a PostgreSQL server of its own, and holds what the sinks got against what
was accepted: lost, invented, out of order, or sent twice without need. `--storage sqlite` does so without a server.

`python -m benchmarks.crash serve --times 200` kills `eventroute serve` so many times under traffic, and says how many
events it had answered 202 and what became of them.
"""
