"""Collections on an Elasticsearch cluster. `store.py` opens them, `collection.py` holds what a collection does.

collection.py  what a collection does           bodies.py      requests, built by pure functions
writing.py     the acknowledgement protocol     documents.py   items and segments as documents
reading.py     kNN, listings, counts            mapping.py     indices and their settings
text.py        words                            names.py       what indices are called
lock.py        one writer a collection          bulk.py        many operations in few requests
checking.py    verifying and mending            connection.py  the client, retries, errors in plain words
"""
