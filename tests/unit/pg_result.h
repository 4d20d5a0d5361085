/* Results of PostgreSQL made by hand: binary, in the shape of a query of the table. */
#ifndef TESTS_PG_RESULT_H
#define TESTS_PG_RESULT_H

#include "backend/pg_data.h"
#include "backend/pg_query.h"

#include <endian.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define RESULT_UNUSED __attribute__((unused)) static

RESULT_UNUSED PGresult *result_of(enum pg_query_id id)
{
    const struct pg_query *query = pg_query_find(id, PG_MIN_VERSION);
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    PGresAttDesc columns[PG_MAX_COLUMNS] = {0};
    static char name[] = "column";

    for (size_t i = 0; i < query->columns; i++) {
        columns[i].name = name;
        columns[i].format = 1;
        columns[i].typid = query->types[i];
        columns[i].typlen = -1;
    }
    PQsetResultAttrs(result, (int)query->columns, columns);
    return result;
}

/* len -1: NULL. A row that is one past the last one is added, all NULL. */
RESULT_UNUSED void put_bytes(PGresult *result, int row, int column, const void *bytes, int len)
{
    PQsetvalue(result, row, column, (char *)(uintptr_t)bytes, len);
}

RESULT_UNUSED void put_text(PGresult *result, int row, int column, const char *text)
{
    put_bytes(result, row, column, text, text ? (int)strlen(text) : -1);
}

RESULT_UNUSED void put_int4(PGresult *result, int row, int column, int32_t value)
{
    const uint32_t bytes = htobe32((uint32_t)value);

    put_bytes(result, row, column, &bytes, sizeof(bytes));
}

RESULT_UNUSED void put_int8(PGresult *result, int row, int column, int64_t value)
{
    const uint64_t bytes = htobe64((uint64_t)value);

    put_bytes(result, row, column, &bytes, sizeof(bytes));
}

RESULT_UNUSED void put_bool(PGresult *result, int row, int column, bool value)
{
    const char byte = value;

    put_bytes(result, row, column, &byte, 1);
}

/* An int4[] of one dimension. */
RESULT_UNUSED void put_pids(PGresult *result, int row, int column, const int *pids, int count)
{
    uint32_t words[5 + 2 * 64] = {htobe32(1), 0, htobe32(PG_INT4), htobe32((uint32_t)count),
                                  htobe32(1)};

    for (int i = 0; i < count; i++) {
        words[5 + 2 * i] = htobe32(4);
        words[6 + 2 * i] = htobe32((uint32_t)pids[i]);
    }
    put_bytes(result, row, column, words, 20 + 8 * count);
}

#endif
