"""
Backtest: what a policy would have done, had it been armed while these logs were written.

    exports      files as they were exported, gzip or not, to one JSON object after the other
    shapes       which log a record is of, and the shape that Graph would have given it
    sieve        first pass: what concerns workload identities is kept, everything is counted
    runs         what was kept, in the order of its time, however much it is: sorted runs on disk
    snapshot     the tenant's objects as they were exported, and which ids belong together
    hindsight    those objects as they were at an earlier moment, where the log makes that certain
    memory       what of the logs could have been seen at a moment: a window, not the export
    replay       second pass: the engine itself, asked at each moment at which something was reported
    outcome      what came of it, and of two policies beside each other
    telling      the same as Markdown
"""
