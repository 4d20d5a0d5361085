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

static uint32_t *verdict(const void *row)
{
    const struct stream_line *line = row;

    return line->window && line->number ? &line->window->verdicts[(line->number - 1) % STREAM_LINES]
                                        : NULL;
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
    const struct stream_line *line = row;

    (void)context;
    cell_set_text(cell, line->args + line->rest);
}

static void bytes_cell(const void *row, const void *context, struct cell *cell)
{
    (void)context;
    cell_set_number(cell, CELL_BYTES, (double)((const struct stream_line *)row)->bytes);
}

static void add_line(const void *row, const void *context, struct strbuf *out)
{
    (void)context;
    stream_add_line(row, out);
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
     .tail = true,
     .cell = client_cell,
     .help = "address of who sent it; lua: a script did"},
    {.name = "name",
     .title = "NAME",
     .width = 10,
     .max = 20,
     .priority = 4,
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
     .help = "of the command; decoded, long ones are cut"},
};

const struct table_class stream_table = {.columns = columns,
                                         .count = sizeof(columns) / sizeof(columns[0]),
                                         .identity = identity,
                                         .follow = true,
                                         .line = add_line,
                                         .verdict = verdict};

/* ---- filters ---- */

static uint32_t name_columns(void)
{
    uint32_t bits = 0;

    for (size_t i = 0; i < stream_table.count; i++) {
        if (columns[i].cell == name_cell || columns[i].cell == user_cell)
            bits |= 1U << i;
    }
    return bits;
}

bool stream_may_pass(const struct filter *filter, const struct stream_line *line,
                     const struct monitor_context *context)
{
    return filter_may_match(filter, columns, stream_table.count, line, context,
                            monitor_may_be_named(context, line->client) ? name_columns() : 0);
}

bool stream_asks_names(const struct filter *filter)
{
    return filter_looks_at(filter, name_columns());
}

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

/* The decoded length of the command with its quotes and the blank after it. */
static size_t command_end(const struct monitor_line *from)
{
    char command[STREAM_HEAD];
    const char *rest = from->args, *text;
    size_t left = from->args_len, len;

    if (!monitor_argument(&rest, &left, &text, &len))
        return 0;
    len = from->args_len - left;
    if (memchr(from->args, '\\', len))
        len = monitor_unescape(from->args, len, command, sizeof(command));
    return len + (left && *rest == ' ');
}

void stream_fill(struct stream_line *line, struct stream_scratch *scratch,
                 const struct monitor_line *from, uint64_t number)
{
    size_t len;

    line->number = number;
    line->time = from->time;
    line->db = from->db;
    line->bytes = from->bytes;
    line->pattern[0] = '\0';
    snprintf(line->client, sizeof(line->client), "%.*s", (int)from->client_len, from->client);
    snprintf(line->command, sizeof(line->command), "%.*s", (int)from->command_len, from->command);
    len = monitor_unescape(from->args, from->args_len, scratch->args, sizeof(scratch->args) - 1);
    scratch->args[len] = '\0';
    line->args = scratch->args;
    line->rest = (uint32_t)command_end(from);
    if (line->rest > len)
        line->rest = (uint32_t)len;
    line->escaped = from->args;
    line->escaped_len = (uint32_t)from->args_len;
    fill_pattern(line, from);
    line->whole_len = 0;
    line->window = NULL;
    line->cut = from->len < from->bytes;
}

/* ---- the window ---- */

/* Where the next len bytes lie in one piece. */
static uint64_t ring_place(uint64_t end, size_t len, size_t size)
{
    return end % size + len > size ? end + (size - end % size) : end;
}

static void forget_first(struct stream_window *window)
{
    struct stream_line *line = &window->lines[window->first++ % STREAM_LINES];

    line->number = 0;
    line->args = line->escaped = "";
    line->rest = line->escaped_len = line->whole_len = 0;
}

static void open_window(struct stream_window *window)
{
    window->lines = mem_array(NULL, STREAM_LINES, sizeof(*window->lines));
    window->verdicts = mem_array(NULL, STREAM_LINES, sizeof(*window->verdicts));
    window->heads = mem_alloc(STREAM_HEADS);
}

/* The decoded beginning, and the escaped one where it is another. */
static void keep_head(struct stream_window *window, struct stream_line *line)
{
    const size_t args = strlen(line->args);
    const size_t escaped = line->escaped_len < STREAM_HEAD ? line->escaped_len : STREAM_HEAD - 1;
    const bool same = args == escaped && memcmp(line->args, line->escaped, args) == 0;
    const size_t len = args + 1 + (same ? 0 : escaped);
    char *to;

    line->head = ring_place(window->heads_end, len, STREAM_HEADS);
    window->heads_end = line->head + len;
    while (window->first < window->count &&
           window->heads_end - window->lines[window->first % STREAM_LINES].head > STREAM_HEADS)
        forget_first(window);
    to = window->heads + line->head % STREAM_HEADS;
    memcpy(to, line->args, args + 1);
    line->args = to;
    if (!same)
        memcpy(to + args + 1, line->escaped, escaped);
    line->escaped = same ? to : to + args + 1;
    line->escaped_len = (uint32_t)escaped;
}

static void keep_whole(struct stream_window *window, struct stream_line *line,
                       const struct monitor_line *from)
{
    if (from->args_len < STREAM_HEAD || from->args_len > STREAM_TEXTS)
        return;
    if (!window->texts)
        window->texts = mem_alloc(STREAM_TEXTS);
    line->whole = ring_place(window->texts_end, from->args_len, STREAM_TEXTS);
    line->whole_len = (uint32_t)from->args_len;
    memcpy(window->texts + line->whole % STREAM_TEXTS, from->args, from->args_len);
    window->texts_end = line->whole + from->args_len;
}

void stream_keep(struct stream_window *window, const struct stream_line *line,
                 const struct monitor_line *from)
{
    struct stream_line kept = *line;

    if (!window->lines)
        open_window(window);
    if (window->count - window->first == STREAM_LINES)
        forget_first(window);
    kept.window = window;
    keep_head(window, &kept);
    keep_whole(window, &kept, from);
    window->verdicts[window->count % STREAM_LINES] = 0;
    window->lines[window->count++ % STREAM_LINES] = kept;
}

void stream_forget(struct stream_window *window)
{
    while (window->first < window->count)
        forget_first(window);
}

void stream_free(struct stream_window *window)
{
    free(window->lines);
    free(window->verdicts);
    free(window->heads);
    free(window->texts);
    *window = (struct stream_window){0};
}

const struct stream_line *stream_line_of(const struct stream_window *window, uint64_t number)
{
    return number > window->first && number <= window->count
               ? &window->lines[(number - 1) % STREAM_LINES]
               : NULL;
}

/* Rows are listed by the panel and by its table, which also sorts them. */
size_t stream_memory(void)
{
    return STREAM_HEADS + STREAM_TEXTS +
           STREAM_LINES * (sizeof(struct stream_line) + 3 * sizeof(void *) + sizeof(uint64_t) +
                           sizeof(uint32_t) + sizeof(struct cell));
}

/* All of the arguments that is still there, as the server escapes it. */
static const char *escaped_args(const struct stream_line *line, size_t *len, bool *cut)
{
    const struct stream_window *window = line->window;

    *cut = line->cut;
    *len = line->escaped_len;
    if (!line->whole_len)
        return line->escaped;
    if (window->texts_end - line->whole > STREAM_TEXTS) {
        *cut = true;
        return line->escaped;
    }
    *len = line->whole_len;
    return window->texts + line->whole % STREAM_TEXTS;
}

/* ---- texts ---- */

void stream_add_line(const struct stream_line *line, struct strbuf *out)
{
    size_t len;
    bool cut;
    const char *args = escaped_args(line, &len, &cut);

    strbuf_addf(out, "%.6f [%d %s] ", line->time, line->db, line->client);
    strbuf_add(out, args, len);
    strbuf_adds(out, cut ? "..." : "");
}

char *stream_details(const struct monitor_context *context, const struct stream_line *line,
                     const char *kill)
{
    struct strbuf text = {0};
    size_t len;
    bool cut;
    const char *escaped = escaped_args(line, &len, &cut);
    char clock[TEXT_UNIT_SIZE], *raw = mem_alloc(len + 1), *args;
    char *client = text_clean(line->client, false);

    raw[monitor_unescape(escaped, len, raw, len)] = '\0';
    args = text_clean(raw, true);
    strbuf_addf(&text, "time     %s.%06d\ndb       %d\nclient   %s\n",
                text_clock(clock, line->time), (int)(fmod(line->time, 1) * 1e6), line->db, client);
    monitor_add_client(context, line->client, kill, &text);
    strbuf_addf(&text, "bytes    %llu%s\n\n%s\n", (unsigned long long)line->bytes,
                cut ? ", of which the beginning was kept" : "", args);
    free(raw);
    free(args);
    free(client);
    return strbuf_take(&text);
}

/* ---- what a client does ---- */

enum { DEEDS = 64, DEEDS_SHOWN = 6 };

struct deed {
    const char *command, *pattern;
    unsigned count;
};

/* Adds a line to the counts; what comes when there is no place left is counted as others. */
static void count_deed(struct deed deeds[DEEDS], const struct stream_line *line)
{
    size_t i = 0;

    while (i < DEEDS - 1 && deeds[i].count &&
           (strcasecmp(deeds[i].command, line->command) != 0 ||
            strcmp(deeds[i].pattern, line->pattern) != 0))
        i++;
    if (i == DEEDS - 1)
        deeds[i] = (struct deed){"others", "", deeds[i].count + 1};
    else
        deeds[i] = (struct deed){line->command, line->pattern, deeds[i].count + 1};
}

static int more_first(const void *a, const void *b)
{
    const struct deed *x = a, *y = b;

    return (x->count < y->count) - (x->count > y->count);
}

void stream_add_deeds(const struct stream_window *window, const char *client, struct strbuf *text)
{
    struct deed deeds[DEEDS] = {{0}};
    unsigned long long of_client = 0;

    for (uint64_t n = window->first + 1; n <= window->count; n++) {
        const struct stream_line *line = stream_line_of(window, n);

        if (!line || strcmp(line->client, client) != 0)
            continue;
        count_deed(deeds, line);
        of_client++;
    }
    strbuf_addf(text, "\n%llu of the %llu lines that are kept here are its:\n", of_client,
                (unsigned long long)(window->count - window->first));
    qsort(deeds, DEEDS, sizeof(deeds[0]), more_first);
    for (size_t i = 0; i < DEEDS_SHOWN && deeds[i].count; i++) {
        char *command = text_clean(deeds[i].command, false);
        char *pattern = text_clean(deeds[i].pattern, false);

        strbuf_addf(text, "%6u %-8s %s\n", deeds[i].count, command, pattern);
        free(command);
        free(pattern);
    }
}
