#include "backend/base/mem.h"
#include "backend/pg_data.h"
#include "backend/pg_query.h"

#include <arpa/inet.h>
#include <endian.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* ---- cells: binary, any length; what does not fit is absent ---- */

struct row {
    const PGresult *result;
    int at;
};

static const char *cell(struct row row, int column, int length)
{
    if (PQgetisnull(row.result, row.at, column) ||
        PQgetlength(row.result, row.at, column) != length)
        return NULL;
    return PQgetvalue(row.result, row.at, column);
}

static int32_t read_int4(const char *bytes)
{
    uint32_t n;

    memcpy(&n, bytes, sizeof(n));
    return (int32_t)be32toh(n);
}

static int32_t get_int4(struct row row, int column, int32_t absent)
{
    const char *bytes = cell(row, column, 4);

    return bytes ? read_int4(bytes) : absent;
}

static uint32_t get_oid(struct row row, int column)
{
    return (uint32_t)get_int4(row, column, 0);
}

static int64_t get_int8(struct row row, int column, int64_t absent)
{
    const char *bytes = cell(row, column, 8);
    uint64_t n;

    if (!bytes)
        return absent;
    memcpy(&n, bytes, sizeof(n));
    return (int64_t)be64toh(n);
}

static bool get_bool(struct row row, int column)
{
    const char *bytes = cell(row, column, 1);

    return bytes && *bytes;
}

static const char *get_text(struct row row, int column)
{
    return PQgetisnull(row.result, row.at, column) ? NULL : PQgetvalue(row.result, row.at, column);
}

static const char *get_filled_text(struct row row, int column)
{
    const char *text = get_text(row, column);

    return text && *text ? text : NULL;
}

/* The rows that can be read: none when the result has another shape. */
static size_t rows_of(const PGresult *result, enum pg_query_id query)
{
    return pg_query_fits(query, result) ? (size_t)PQntuples(result) : 0;
}

/* ---- roles ---- */

struct roles_box {
    struct pg_roles pub; /* first */
    PGresult *result;
};

static void free_roles(struct sample *sample)
{
    struct roles_box *box = (struct roles_box *)sample;

    PQclear(box->result);
    free(box->pub.rows);
    free(box);
}

static int compare_oids(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

struct pg_roles *pg_parse_roles(PGresult *result)
{
    struct roles_box *box = mem_zalloc(sizeof(*box));
    struct pg_roles *roles = &box->pub;

    box->result = result;
    roles->sample.refs = 1;
    roles->sample.destroy = free_roles;
    roles->count = rows_of(result, PG_QUERY_ROLES);
    roles->rows = mem_array(NULL, roles->count, sizeof(*roles->rows));
    for (size_t i = 0; i < roles->count; i++) {
        struct row row = {result, (int)i};

        roles->rows[i].oid = get_oid(row, ROLES_OID);
        roles->rows[i].name = get_text(row, ROLES_NAME);
    }
    qsort(roles->rows, roles->count, sizeof(*roles->rows), compare_oids);
    return roles;
}

static const char *role_name(const struct pg_roles *roles, uint32_t oid)
{
    const struct pg_role *role;

    if (!roles || !oid)
        return NULL;
    role = bsearch(&oid, roles->rows, roles->count, sizeof(*roles->rows), compare_oids);
    return role ? role->name : NULL;
}

/* ---- databases ---- */

struct databases_box {
    struct pg_databases pub; /* first */
    PGresult *result;
};

static void free_databases(struct sample *sample)
{
    struct databases_box *box = (struct databases_box *)sample;

    PQclear(box->result);
    free(box->pub.rows);
    free(box);
}

static void read_database(struct row row, struct pg_database *database,
                          const struct postgres_config *config)
{
    *database = (struct pg_database){
        .oid = get_oid(row, DB_OID),
        .name = get_text(row, DB_NAME),
        .owner = get_text(row, DB_OWNER),
        .listed = get_bool(row, DB_LISTED),
        .connections = -1,
        .active = -1,
        .connection_limit = get_int4(row, DB_CONNECTION_LIMIT, -1),
        .xact_commit = get_int8(row, DB_COMMIT, -1),
        .xact_rollback = get_int8(row, DB_ROLLBACK, -1),
        .blks_read = get_int8(row, DB_READ, -1),
        .blks_hit = get_int8(row, DB_HIT, -1),
        .temp_files = get_int8(row, DB_TEMP_FILES, -1),
        .temp_bytes = get_int8(row, DB_TEMP_BYTES, -1),
        .deadlocks = get_int8(row, DB_DEADLOCKS, -1),
        .stats_reset = get_int8(row, DB_STATS_RESET, PG_NO_TIME),
        .xid_age = get_int4(row, DB_XID_AGE, -1),
        .tps = NAN,
        .rollbacks = NAN,
        .hit_rate = NAN,
        .temp_rate = NAN,
    };
    if (config && database->name)
        database->environment = postgres_environment(config, database->name);
}

struct pg_databases *pg_parse_databases(PGresult *result, const struct postgres_config *config)
{
    struct databases_box *box = mem_zalloc(sizeof(*box));
    struct pg_databases *databases = &box->pub;

    box->result = result;
    databases->sample.refs = 1;
    databases->sample.destroy = free_databases;
    databases->count = rows_of(result, PG_QUERY_DATABASES);
    databases->rows = mem_array(NULL, databases->count, sizeof(*databases->rows));
    for (size_t i = 0; i < databases->count; i++)
        read_database((struct row){result, (int)i}, &databases->rows[i], config);
    databases->now = PG_NO_TIME;
    if (databases->count)
        databases->now = get_int8((struct row){result, 0}, DB_NOW, PG_NO_TIME);
    databases->tps = databases->rollbacks = databases->hit_rate = NAN;
    qsort(databases->rows, databases->count, sizeof(*databases->rows), compare_oids);
    return databases;
}

const struct pg_database *pg_database_find(const struct pg_databases *databases, uint32_t oid)
{
    if (!databases || !oid)
        return NULL;
    return bsearch(&oid, databases->rows, databases->count, sizeof(*databases->rows), compare_oids);
}

/* ---- activity ---- */

struct activity_box {
    struct pg_activity pub; /* first */
    PGresult *result;
    const struct pg_databases *databases;
    const struct pg_roles *roles;
    int *pids; /* of all blocked_by */
    size_t pid_count;
    char (*addresses)[INET6_ADDRSTRLEN]; /* of all clients; made when the first has one */
    size_t address_count;
    struct row last_address; /* the row whose client is addresses[address_count - 1] */
    const struct pg_database *last_database;
    uint32_t last_user;
    const char *last_user_name;
};

static void free_activity(struct sample *sample)
{
    struct activity_box *box = (struct activity_box *)sample;

    PQclear(box->result);
    sample_unref(box->databases);
    sample_unref(box->roles);
    free(box->pids);
    free(box->addresses);
    free(box->pub.rows);
    free(box);
}

static enum pg_state parse_state(const char *text)
{
    static const struct {
        const char *text;
        enum pg_state state;
    } states[] = {
        {"idle", PG_STATE_IDLE},
        {"active", PG_STATE_ACTIVE},
        {"idle in transaction", PG_STATE_IDLE_IN_TRANSACTION},
        {"idle in transaction (aborted)", PG_STATE_IDLE_IN_TRANSACTION_ABORTED},
        {"fastpath function call", PG_STATE_FASTPATH},
        {"disabled", PG_STATE_DISABLED},
        {"starting", PG_STATE_STARTING},
    };

    for (size_t i = 0; text && i < sizeof(states) / sizeof(*states); i++) {
        if (strcmp(text, states[i].text) == 0)
            return states[i].state;
    }
    return PG_STATE_NONE;
}

/* The server's inet: family (2: IPv4, 3: IPv6), bits, cidr, number of bytes, bytes. */
static bool inet_text(const unsigned char *bytes, int length, char *out)
{
    if (length == 8 && bytes[0] == 2 && bytes[3] == 4)
        return inet_ntop(AF_INET, bytes + 4, out, INET6_ADDRSTRLEN) != NULL;
    if (length == 20 && bytes[0] == 3 && bytes[3] == 16)
        return inet_ntop(AF_INET6, bytes + 4, out, INET6_ADDRSTRLEN) != NULL;
    return false;
}

static bool same_cell(struct row a, struct row b, int column)
{
    int length = PQgetlength(a.result, a.at, column);

    return PQgetlength(b.result, b.at, column) == length &&
           memcmp(PQgetvalue(a.result, a.at, column), PQgetvalue(b.result, b.at, column),
                  (size_t)length) == 0;
}

/* Neighbours often have the same address: it is made once for a run of them. */
static const char *client_address(struct activity_box *box, struct row row)
{
    const void *bytes = PQgetvalue(row.result, row.at, ACT_CLIENT);

    if (box->address_count && same_cell(row, box->last_address, ACT_CLIENT))
        return box->addresses[box->address_count - 1];
    if (!box->addresses)
        box->addresses = mem_array(NULL, box->pub.count, sizeof(*box->addresses));
    if (!inet_text(bytes, PQgetlength(row.result, row.at, ACT_CLIENT),
                   box->addresses[box->address_count]))
        return NULL;
    box->last_address = row;
    return box->addresses[box->address_count++];
}

static const char *client_text(struct activity_box *box, struct row row, const char *backend_type)
{
    if (!PQgetisnull(row.result, row.at, ACT_CLIENT))
        return client_address(box, row);
    if (backend_type &&
        (strcmp(backend_type, "client backend") == 0 || strcmp(backend_type, "walsender") == 0))
        return "local";
    return NULL;
}

/* An int4[]: dimensions, flags, element type; length, lower bound; then length and value of each. */
static size_t array_length(struct row row, int column)
{
    const char *bytes = PQgetvalue(row.result, row.at, column);
    int length = PQgetlength(row.result, row.at, column);
    int32_t count;

    if (PQgetisnull(row.result, row.at, column) || length < 20 || read_int4(bytes) != 1)
        return 0;
    count = read_int4(bytes + 12);
    if (count < 0 || count != (length - 20) / 8 || length != 20 + 8 * count)
        return 0;
    return (size_t)count;
}

static void read_blocked_by(struct activity_box *box, struct row row, struct pg_session *session)
{
    size_t count = array_length(row, ACT_BLOCKED_BY);
    const char *bytes = PQgetvalue(row.result, row.at, ACT_BLOCKED_BY);

    if (!count)
        return;
    session->blocked_by = box->pids + box->pid_count;
    session->blocked_by_count = count;
    for (size_t i = 0; i < count; i++)
        box->pids[box->pid_count++] = read_int4(bytes + 20 + 8 * i + 4);
}

static int *room_for_pids(const PGresult *result, size_t rows)
{
    size_t pids = 0;

    for (size_t i = 0; i < rows; i++)
        pids += array_length((struct row){result, (int)i}, ACT_BLOCKED_BY);
    return pids ? mem_array(NULL, pids, sizeof(int)) : NULL;
}

static void name_database(struct activity_box *box, struct pg_session *session)
{
    if (!session->database_oid)
        return;
    if (!box->last_database || box->last_database->oid != session->database_oid)
        box->last_database = pg_database_find(box->databases, session->database_oid);
    if (!box->last_database)
        return;
    session->database = box->last_database->name;
    session->environment = box->last_database->environment;
}

static void name_user(struct activity_box *box, uint32_t oid, struct pg_session *session)
{
    if (!oid)
        return;
    if (oid != box->last_user) {
        box->last_user = oid;
        box->last_user_name = role_name(box->roles, oid);
    }
    session->user = box->last_user_name;
    if (!session->user)
        box->pub.unnamed++;
}

/* The server cuts at a character's border, so a cut text may lack up to three bytes. */
static bool is_cut(struct row row, const char *query, int query_size)
{
    return query && query_size > 4 && PQgetlength(row.result, row.at, ACT_QUERY) >= query_size - 4;
}

static void read_session(struct activity_box *box, struct row row, int query_size,
                         struct pg_session *session)
{
    *session = (struct pg_session){
        .pid = get_int4(row, ACT_PID, 0),
        .leader_pid = get_int4(row, ACT_LEADER, 0),
        .database_oid = get_oid(row, ACT_DATABASE),
        .application = get_text(row, ACT_APPLICATION),
        .backend_type = get_text(row, ACT_BACKEND_TYPE),
        .state_text = get_text(row, ACT_STATE),
        .wait_type = get_text(row, ACT_WAIT_TYPE),
        .wait_event = get_text(row, ACT_WAIT_EVENT),
        .backend_start = get_int8(row, ACT_BACKEND_START, PG_NO_TIME),
        .xact_start = get_int8(row, ACT_XACT_START, PG_NO_TIME),
        .query_start = get_int8(row, ACT_QUERY_START, PG_NO_TIME),
        .state_change = get_int8(row, ACT_STATE_CHANGE, PG_NO_TIME),
        .xmin_age = get_int4(row, ACT_XMIN_AGE, -1),
        .query = get_filled_text(row, ACT_QUERY),
    };
    if (!session->backend_type && session->backend_start != PG_NO_TIME)
        session->backend_type = "client backend";
    session->state = parse_state(session->state_text);
    session->client = client_text(box, row, session->backend_type);
    session->query_cut = is_cut(row, session->query, query_size);
    name_database(box, session);
    name_user(box, get_oid(row, ACT_USER), session);
    read_blocked_by(box, row, session);
    if (!PQgetisnull(row.result, row.at, ACT_NOW)) {
        box->pub.now = get_int8(row, ACT_NOW, PG_NO_TIME);
        session->own = true;
    }
}

static void count_session(struct pg_counts *counts, const struct pg_session *session, int64_t now)
{
    double seconds = pg_session_seconds(session, now);

    counts->total++;
    counts->blocked += session->blocked_by_count > 0;
    switch (session->state) {
    case PG_STATE_ACTIVE:
        counts->active++;
        counts->waiting += session->wait_type != NULL;
        if (!session->own && seconds > counts->longest_query)
            counts->longest_query = seconds;
        break;
    case PG_STATE_IDLE: counts->idle++; break;
    case PG_STATE_IDLE_IN_TRANSACTION:
    case PG_STATE_IDLE_IN_TRANSACTION_ABORTED:
        counts->idle_in_transaction++;
        if (seconds > counts->longest_idle_in_transaction)
            counts->longest_idle_in_transaction = seconds;
        break;
    default: break;
    }
}

static void count_sessions(struct pg_activity *activity)
{
    struct pg_counts *counts = &activity->counts;

    counts->longest_query = counts->longest_idle_in_transaction = -1.0;
    for (size_t i = 0; i < activity->count; i++) {
        if (pg_session_is_client(&activity->rows[i]))
            count_session(counts, &activity->rows[i], activity->now);
    }
}

struct pg_activity *pg_parse_activity(PGresult *result, int query_size,
                                      const struct pg_databases *databases,
                                      const struct pg_roles *roles)
{
    struct activity_box *box = mem_zalloc(sizeof(*box));
    struct pg_activity *activity = &box->pub;

    box->result = result;
    box->databases = sample_ref(databases);
    box->roles = sample_ref(roles);
    activity->sample.refs = 1;
    activity->sample.destroy = free_activity;
    activity->now = PG_NO_TIME;
    activity->count = rows_of(result, PG_QUERY_ACTIVITY);
    activity->rows = mem_array(NULL, activity->count, sizeof(*activity->rows));
    box->pids = room_for_pids(result, activity->count);
    for (size_t i = 0; i < activity->count; i++)
        read_session(box, (struct row){result, (int)i}, query_size, &activity->rows[i]);
    count_sessions(activity);
    return activity;
}

/* ---- server ---- */

struct server_box {
    struct pg_server pub; /* first */
    char *version_text;
    PGresult *result;
};

static void free_server(struct sample *sample)
{
    struct server_box *box = (struct server_box *)sample;

    PQclear(box->result);
    free(box->version_text);
    free(box);
}

static void read_server(struct row row, struct server_box *box)
{
    struct pg_server *server = &box->pub;
    const char *text = get_text(row, SERVER_VERSION_TEXT);

    /* "15.18 (Debian 15.18-1)": the package's name is for others. */
    box->version_text = text ? mem_strndup(text, strcspn(text, " ")) : NULL;
    server->version_text = box->version_text;
    server->version = get_int4(row, SERVER_VERSION, 0);
    server->start_time = get_int8(row, SERVER_START, PG_NO_TIME);
    server->now = get_int8(row, SERVER_NOW, PG_NO_TIME);
    server->max_connections = get_int4(row, SERVER_MAX_CONNECTIONS, 0);
    server->superuser_reserved = get_int4(row, SERVER_SUPERUSER_RESERVED, 0);
    server->reserved = get_int4(row, SERVER_RESERVED, 0);
    server->query_size = get_int4(row, SERVER_QUERY_SIZE, 0);
    server->in_recovery = get_bool(row, SERVER_IN_RECOVERY);
    server->superuser = get_bool(row, SERVER_SUPERUSER);
    server->monitor = get_bool(row, SERVER_MONITOR);
    server->user = get_text(row, SERVER_USER);
    server->data_directory = get_text(row, SERVER_DATA_DIRECTORY);
}

struct pg_server *pg_parse_server(PGresult *result)
{
    struct server_box *box = mem_zalloc(sizeof(*box));

    box->result = result;
    box->pub.sample.refs = 1;
    box->pub.sample.destroy = free_server;
    box->pub.start_time = box->pub.now = PG_NO_TIME;
    if (rows_of(result, PG_QUERY_SERVER) > 0)
        read_server((struct row){result, 0}, box);
    return &box->pub;
}

/* ---- single values ---- */

int64_t pg_parse_size(const PGresult *result)
{
    return rows_of(result, PG_QUERY_SIZE) ? get_int8((struct row){result, 0}, 0, -1) : -1;
}

bool pg_parse_direct(const PGresult *result)
{
    return rows_of(result, PG_QUERY_SETUP_POLL) && get_bool((struct row){result, 0}, SETUP_DIRECT);
}
