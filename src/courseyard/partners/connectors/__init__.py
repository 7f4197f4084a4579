"""One file per kind of partner, found by itself: what it can do, how it is set up, how it is paged through.

What is large stands beside this folder, by the partner's name: ``…_api`` is how it is asked, ``…_records`` and
``…_progress`` (``oneroster`` for both of its kinds) are what it tells in our words, pure.
"""
