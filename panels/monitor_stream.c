#include "panels/monitor_stream.h"

#include "backend/base/mem.h"
#include "backend/base/strbuf.h"
#include "backend/monitor_keys.h"
#include "panels/data.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static uint64_t identity(const void *row)
{
    return ((const struct stream_line *)row)->number;
}

static void time_cell(const void *row, const void *context, struct cell *cell)
{
    const struct stream_line *line = row;
    char clock[TEXT_UNIT_SIZE], label[TEXT_UNIT_SIZE + 8];

    (void)context;
    cell_set_number(cell, CELL_RATE, line->time);
    snprintf(label, sizeof(label), "%s.%03d", text_clock(clock, line->time),
             (int)(fmod(line->time, 1) * 1000));
    cell_set_label(cell, label);
    cell->role = ROLE_DIM;
}

static void db_cell(const void *row, const void *context, struct cell *cell)
{
    const struct stream_line *line = row;
    const struct monitor_context *names = context;
    const struct redis_db_config *db =
        names->config ? redis_database(names->config, line->db) : NULL;

    cell_set_number(cell, CELL_INTEGER, line->db);
    if (db)
        cell->role = environment_name_role(db->environment);
}

static void client_cell(const void *row, const void *context, struct cell *cell)
{
    (void)context;
    cell_set_text(cell, ((const struct stream_line *)row)->client);
}

/* Commands that take the whole server or a whole database are not to be overlooked. */
static bool is_dangerous(const char *command)
{
    static const char *const names[] = {"KEYS", "FLUSHDB", "FLUSHALL", "SWAPDB", "DEBUG"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcasecmp(command, names[i]) == 0)
            return true;
    }
    return false;
}

static void command_cell(const void *row, const void *context, struct cell *cell)
{
    const struct stream_line *line = row;

    (void)context;
    cell_set_text(cell, line->command);
    cell->role = is_dangerous(line->command) ? ROLE_CRITICAL : ROLE_NAME;
}

static void name_cell(const void *row, const void *context, struct cell *cell)
{
    monitor_cell_name(context, ((const struct stream_line *)row)->client, cell);
}

static void user_cell(const void *row, const void *context, struct cell *cell)
{
    monitor_cell_user(context, ((const struct stream_line *)row)->client, cell);
}

static void pattern_cell(const void *row, const void *context, struct cell *cell)
{
    const struct stream_line *line = row;

    (void)context;
    cell_set_text(cell, line->pattern[0] ? line->pattern : NULL);
}

static void args_cell(const void *row, const void *context, struct cell *cell)
{
    (void)context;
    cell_set_text(cell, ((const struct stream_line *)row)->args);
}

static void bytes_cell(const void *row, const void *context, struct cell *cell)
{
    (void)context;
    cell_set_number(cell, CELL_BYTES, (double)((const struct stream_line *)row)->bytes);
}

static const struct column columns[] = {
    {.name = "time",
     .title = "TIME",
     .width = 12,
     .priority = 2,
     .cell = time_cell,
     .help = "when the server ran it, by its clock"},
    {.name = "db", .title = "DB", .width = 3, .right = true, .cell = db_cell, .help = "database"},
    {.name = "client",
     .title = "CLIENT",
     .width = 16,
     .max = 22,
     .priority = 1,
     .cell = client_cell,
     .help = "address of who sent it; lua: a script did"},
    {.name = "name",
     .title = "NAME",
     .width = 10,
     .max = 20,
     .hidden = true,
     .cell = name_cell,
     .help = "the client's, as CLIENT SETNAME gave it"},
    {.name = "user",
     .title = "USER",
     .width = 8,
     .max = 16,
     .hidden = true,
     .cell = user_cell,
     .help = "the client's ACL user"},
    {.name = "command",
     .title = "COMMAND",
     .width = 10,
     .max = 14,
     .cell = command_cell,
     .help = "its name; those that walk or empty a database are marked"},
    {.name = "bytes",
     .title = "BYTES",
     .width = 5,
     .right = true,
     .descending = true,
     .priority = 3,
     .cell = bytes_cell,
     .help = "length of its line in the stream"},
    {.name = "pattern",
     .title = "PATTERN",
     .width = 16,
     .max = 28,
     .hidden = true,
     .cell = pattern_cell,
     .help = "the first key with numbers, UUIDs and hashes as *"},
    {.name = "args",
     .title = "ARGUMENTS",
     .width = 20,
     .grow = 1,
     .cell = args_cell,
     .help = "decoded; long ones are cut"},
};

const struct table_class stream_table = {.columns = columns,
                                         .count = sizeof(columns) / sizeof(columns[0]),
                                         .identity = identity,
                                         .follow = true};

/* ---- lines ---- */

/* Arguments before the first key, the command among them. */
static size_t before_key(const struct monitor_command *command)
{
    switch (command ? (enum key_place)command->place : KEYS_FIRST) {
    case KEYS_SECOND:
    case KEYS_LED:
    case KEYS_AFTER: return 2;
    case KEYS_COUNTED:
    case KEYS_TIMED:
    case KEYS_MIGRATED: return 3;
    default: return 1;
    }
}

static bool is_streams(const char *text, size_t len)
{
    return len == 7 && strncasecmp(text, "streams", len) == 0;
}

static void fill_pattern(struct stream_line *line, const struct monitor_line *from)
{
    const char *rest = from->args, *text = NULL;
    const struct monitor_command *command = monitor_command(from->command, from->command_len);
    const size_t skip = before_key(command);
    size_t left = from->args_len, len = 0;

    if (command && command->place == KEYS_NONE)
        return;
    if (command && command->place == KEYS_STREAMS) {
        do {
            if (!monitor_argument(&rest, &left, &text, &len))
                return;
        } while (!is_streams(text, len));
        if (!monitor_argument(&rest, &left, &text, &len))
            return;
    } else {
        for (size_t i = 0; i <= skip; i++) {
            if (!monitor_argument(&rest, &left, &text, &len))
                return;
        }
    }
    len = monitor_pattern(text, len, line->pattern, sizeof(line->pattern) - 1);
    line->pattern[len] = '\0';
}

void stream_fill(struct stream_line *line, const struct monitor_line *from, uint64_t number)
{
    size_t len;

    line->number = number;
    line->time = from->time;
    line->db = from->db;
    line->bytes = from->bytes;
    line->pattern[0] = '\0';
    snprintf(line->client, sizeof(line->client), "%.*s", (int)from->client_len, from->client);
    snprintf(line->command, sizeof(line->command), "%.*s", (int)from->command_len, from->command);
    len = monitor_unescape(from->args, from->args_len, line->args, sizeof(line->args) - 1);
    line->args[len] = '\0';
    fill_pattern(line, from);
    line->whole_len = 0;
    line->cut = from->len < from->bytes || from->args_len >= sizeof(line->args);
}

void stream_keep(struct stream_texts *texts, struct stream_line *line,
                 const struct monitor_line *from)
{
    const size_t at = (size_t)(texts->end % TEXTS_KEPT);

    if (from->args_len < sizeof(line->args) || from->args_len > TEXTS_KEPT)
        return;
    if (!texts->bytes)
        texts->bytes = mem_alloc(TEXTS_KEPT);
    if (at + from->args_len > TEXTS_KEPT)
        texts->end += TEXTS_KEPT - at;
    line->whole = texts->end;
    line->whole_len = (uint32_t)from->args_len;
    line->cut = from->len < from->bytes;
    memcpy(texts->bytes + texts->end % TEXTS_KEPT, from->args, from->args_len);
    texts->end += from->args_len;
}

/* All of the arguments that is still there; the caller frees it. */
static char *all_args(const struct stream_texts *texts, const struct stream_line *line, bool *cut)
{
    char *raw, *clean;
    size_t len;

    *cut = line->cut;
    if (!line->whole_len || texts->end - line->whole > TEXTS_KEPT) {
        *cut |= line->whole_len > 0;
        return text_clean(line->args, true);
    }
    raw = mem_alloc((size_t)line->whole_len + 1);
    len = monitor_unescape(texts->bytes + line->whole % TEXTS_KEPT, line->whole_len, raw,
                           line->whole_len);
    raw[len] = '\0';
    clean = text_clean(raw, true);
    free(raw);
    return clean;
}

char *stream_details(const struct monitor_context *context, const struct stream_texts *texts,
                     const struct stream_line *line)
{
    struct strbuf text = {0};
    bool cut;
    char clock[TEXT_UNIT_SIZE], *args = all_args(texts, line, &cut);
    char *client = text_clean(line->client, false);

    strbuf_addf(&text, "time    %s\ndb      %d\nclient  %s\n", text_clock(clock, line->time),
                line->db, client);
    monitor_add_client(context, line->client, &text);
    strbuf_addf(&text, "bytes   %llu%s\n\n%s\n", (unsigned long long)line->bytes,
                cut ? ", of which the beginning was kept" : "", args);
    free(args);
    free(client);
    return strbuf_take(&text);
}
