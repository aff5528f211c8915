"""One Prefect task a step: takes ids and the name of an open run, calls the library, gives back counts."""
