from courseyard.db.server import connect
from courseyard.db.verify import verify


def test_a_migrated_database_verifies(either_db):
    with connect(either_db) as connection:
        assert verify(connection) == []
