"""A program with Django's connection: `python -m tests.backplanes.in_django URL`. Sends what it commits."""

import sys

from django.conf import settings
from django.db import connection, transaction
from psycopg.conninfo import conninfo_to_dict

from hubline import BlockingPublisher
from hubline.backplanes.postgres import PostgresBackplane
from tests.backplanes.test_postgres import NAME, News


def main(url: str) -> None:
    found = conninfo_to_dict(url)
    place = {"NAME": found["dbname"], "USER": found["user"], "HOST": found["host"]}
    settings.configure(DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", **place}})
    backplane = PostgresBackplane(url)
    news = BlockingPublisher(backplane, News, name=NAME)
    try:
        with transaction.atomic(), backplane.within(connection):
            news.clients.all.send("Told", "never")
            raise ZeroDivisionError
    except ZeroDivisionError:
        pass
    with transaction.atomic(), backplane.within(connection):
        news.clients.all.send("Told", "one")
    news.clients.all.send("Told", "two")
    news.close()
    connection.close()


if __name__ == "__main__":
    main(sys.argv[1])
