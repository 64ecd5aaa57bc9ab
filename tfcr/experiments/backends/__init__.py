"""Where a sweep's trainings run: in processes of this machine, or on the nodes of a Ray cluster.

`backend.Backend` says what a place has to do; to add one, write such a class. Only `ray` needs the extra `ray`.
"""
