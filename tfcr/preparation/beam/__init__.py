"""The shards of a dataset written by Apache Beam: the launcher's side, the pipeline, and what its workers compute.

`writer.beam_writer` is the way in and `options.Engine` says where Beam runs. All but `tasks` need the extra `beam`, so
others import from here only where Beam was asked for.
"""
