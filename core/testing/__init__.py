"""The test kit for plug-ins: holds an encoder, a source, a reader or a store to what sightsound relies on.

    from sightsound.testing import check_encoder
    def test_my_encoder():
        check_encoder(my_spec())

Each check raises AssertionError that says what is wrong. For a store, subclass
`sightsound.testing.stores.StoreContract`. The built-ins pass the same checks.
"""

from sightsound.testing.encoders import check_encoder
from sightsound.testing.readers import check_reader
from sightsound.testing.sources import check_source

__all__ = ["check_encoder", "check_reader", "check_source"]
