"""Files that may be copies of one another, of which only the content shows whether they are."""

from __future__ import annotations

from collections.abc import Iterator

from medad.scoring.index.ledger import Ledger
from medad.scoring.index.scan_folder import PAGE


def of_equal_size(ledger: Ledger, condition: str) -> Iterator[bytes]:
    """Yield the names of images without a UID that have the size of another image.

    ``condition`` is an SQL condition of rows of the table ``files``.
    """
    ledger.database.execute("DROP TABLE IF EXISTS temp.sizes")
    ledger.database.execute(
        "CREATE TEMP TABLE sizes AS SELECT size FROM files WHERE look = 'image' GROUP BY size HAVING count(*) > 1"
    )
    query = f"""SELECT path FROM files WHERE path > ? AND look = 'image' AND instance IS NULL AND size IN
        (SELECT size FROM temp.sizes) AND {condition} ORDER BY path LIMIT {PAGE}"""
    yield from _names(ledger, query)


def of_equal_uid(ledger: Ledger, condition: str) -> Iterator[bytes]:
    """Yield the names of DICOM files without a content digest that bear the UID of another file of their series.

    ``condition`` is an SQL condition of rows of the table ``files``.
    """
    ledger.database.execute("DROP TABLE IF EXISTS temp.shared")
    ledger.database.execute(
        """CREATE TEMP TABLE shared AS SELECT instance, series FROM files WHERE instance IS NOT NULL
        AND instance NOT GLOB '* *' GROUP BY series, instance HAVING count(*) > 1"""
    )
    ledger.database.execute("CREATE INDEX temp.shared_instance ON shared (instance)")
    query = f"""SELECT path FROM files WHERE path > ? AND look IN ('image', 'slice') AND content IS NULL
        AND EXISTS (SELECT 1 FROM temp.shared WHERE shared.instance = files.instance
        AND shared.series IS files.series) AND {condition} ORDER BY path LIMIT {PAGE}"""
    yield from _names(ledger, query)


def _names(ledger: Ledger, query: str) -> Iterator[bytes]:
    """Yield the results of ``query``, page by page; its parameter is the last name of the page before."""
    last = b""
    while page := [row[0] for row in ledger.database.execute(query, (last,))]:
        last = page[-1]
        yield from page
