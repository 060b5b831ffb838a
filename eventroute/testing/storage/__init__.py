"""The contract suite of `Storage`: what a backend is, in tests.

Subclass `StorageContract` in a test module of yours and say how to make the storage; pytest does the rest:

    @pytest.mark.anyio
    class TestMine(StorageContract):
        persistent = True

        @pytest.fixture(autouse=True)
        def place(self, tmp_path):
            self.path = tmp_path / "events.mine"

        def make_storage(self, clock):
            return MyStorage(self.path, clock=clock)

Within one test `make_storage` must lead to the same place each time, and in each test to an empty one. `persistent`
tells whether a second storage there sees what the first one holds. The event loops that the tests run on are those of
the fixture `anyio_backend`. Needs the extra `testing`.
"""

from eventroute.testing.storage.contract import StorageContract

__all__ = ["StorageContract"]
