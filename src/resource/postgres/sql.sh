# Gives the SQL on stdin to PostgreSQL in container $1, as its superuser over the socket in there.
exec docker exec --interactive "$1" psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 \
    --username=postgres --dbname=postgres --file=- 2>&1
