#include "backend/monitor_analysis.h"

#include "backend/base/mem.h"
#include "backend/monitor_parse.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MULTI_KEYS = 64, COMMAND_KEPT = 32 };

static const uint32_t table_slots[MONITOR_DIMENSIONS] = {
    [MONITOR_COMMANDS] = 1024, [MONITOR_KEYS] = 2048,      [MONITOR_PATTERNS] = 2048,
    [MONITOR_CLIENTS] = 2048,  [MONITOR_DATABASES] = 1024, [MONITOR_SCRIPTS] = 512,
    [MONITOR_BIG_KEYS] = 1024};

/* Lines of one client and database that follow each other (pipelines) are counted at its end. */
struct turn {
    char source[96];    /* "0 127.0.0.1:51234" */
    size_t len, db_len; /* of it, and of the database in it */
    uint64_t count, bytes;
};

/* The text that was counted last, and its counter: in most streams the next is the same. It stays
 * where it is until its table is given another. */
struct last {
    char text[HITTER_TEXT];
    size_t len;
    struct hitter *hitter; /* NULL: there is none */
};

struct monitor_analysis {
    struct turn turn;
    struct last command, pattern; /* a command as it came */
    struct hitters tables[MONITOR_DIMENSIONS];
    uint64_t lines, bytes, own, lua, odd, flags[FLAG_KINDS];
    uint32_t token;
    uint64_t event_count; /* ever */
    struct monitor_event events[MONITOR_EVENTS];
};

/* A line, as far as it is taken apart. */
struct parts {
    const char *text, *end;
    const char *db, *client, *command;
    size_t db_len, client_len, command_len;
    const char *rest; /* after the command: the arguments, or end */
    uint64_t bytes;
};

struct monitor_analysis *monitor_analysis_new(void)
{
    struct monitor_analysis *analysis = mem_zalloc(sizeof(*analysis));

    for (int i = 0; i < MONITOR_DIMENSIONS; i++)
        hitters_init(&analysis->tables[i], table_slots[i]);
    hitters_sift(&analysis->tables[MONITOR_KEYS]);
    return analysis;
}

void monitor_analysis_free(struct monitor_analysis *analysis)
{
    if (!analysis)
        return;
    for (int i = 0; i < MONITOR_DIMENSIONS; i++)
        hitters_free(&analysis->tables[i]);
    free(analysis);
}

size_t monitor_analysis_memory(void)
{
    size_t size = sizeof(struct monitor_analysis) + HITTERS_SIFT_BITS / 8;

    for (int i = 0; i < MONITOR_DIMENSIONS; i++)
        size += hitters_memory(table_slots[i]);
    return size;
}

/* ---- taking a line apart ---- */

/* The client's name ends before the first `] "`: an address or a path may hold other brackets. */
static const char *client_end(const char *at, const char *end)
{
    while ((at = memchr(at, ']', (size_t)(end - at)))) {
        if (end - at < 4)
            return NULL;
        if (at[1] == ' ' && at[2] == '"')
            return at;
        at++;
    }
    return NULL;
}

/* Behind its bracket; NULL: there is none. */
static const char *find_source(const struct parts *p)
{
    const char *at;

    /* Ten digits of seconds and six of the fraction, for long to come. */
    if (p->end - p->text >= 24 && p->text[18] == '[')
        return p->text + 19;
    at = memchr(p->text, '[', (size_t)(p->end - p->text));
    return at ? at + 1 : NULL;
}

/* In a pipeline the next line is of the same source, which need not be taken apart again. */
static bool is_of_turn(const struct turn *turn, struct parts *p, const char *at)
{
    if (!turn->len || turn->len == sizeof(turn->source) || p->end - at < (ptrdiff_t)turn->len + 4 ||
        memcmp(at, turn->source, turn->len) != 0 || memcmp(at + turn->len, "] \"", 3) != 0)
        return false;
    p->db = at;
    p->db_len = turn->db_len;
    p->client = at + turn->db_len + 1;
    p->client_len = turn->len - turn->db_len - 1;
    return true;
}

static bool take_source(struct parts *p, const char *at)
{
    p->db = at;
    while (at < p->end && isdigit((unsigned char)*at))
        at++;
    p->db_len = (size_t)(at - p->db);
    if (!p->db_len || at == p->end || *at != ' ')
        return false;
    p->client = ++at;
    at = client_end(at, p->end);
    if (!at)
        return false;
    p->client_len = (size_t)(at - p->client);
    return true;
}

static void take_command(struct parts *p)
{
    const char *quote;

    p->command = p->client + p->client_len + 3;
    quote = memchr(p->command, '"', (size_t)(p->end - p->command));
    p->command_len = (size_t)((quote ? quote : p->end) - p->command);
    p->rest = quote && p->end - quote > 2 ? quote + 2 : p->end;
}

/* The argument that begins with its quote at *at, moved past it and its space. */
static bool next_argument(const char **at, const char *end, const char **text, size_t *len)
{
    const char *begin = *at + 1, *quote;

    if (*at >= end || **at != '"')
        return false;
    quote = memchr(begin, '"', (size_t)(end - begin));
    if (!quote || quote == begin || quote[-1] != '\\') {
        *text = begin;
        *len = (size_t)((quote ? quote : end) - begin);
        *at = quote && end - quote > 2 ? quote + 2 : end;
        return true;
    }
    size_t rest = (size_t)(end - *at);

    return monitor_argument(at, &rest, text, len);
}

/* ---- what passes and is to be seen ---- */

static bool is_word(const char *text, size_t len, const char *word)
{
    return len == strlen(word) && strncasecmp(text, word, len) == 0;
}

/* SCAN 0 without MATCH or with MATCH *: somebody begins to walk through everything. */
static bool scans_all(const struct parts *p)
{
    const char *at = p->rest, *text;
    size_t len;

    if (!next_argument(&at, p->end, &text, &len) || !is_word(text, len, "0"))
        return false;
    while (next_argument(&at, p->end, &text, &len)) {
        if (is_word(text, len, "match"))
            return !next_argument(&at, p->end, &text, &len) || is_word(text, len, "*");
    }
    return true;
}

/* key FROM TO … : all of a list, a sorted set or a stream. */
static bool takes_all(const struct parts *p, const char *from, const char *to)
{
    const char *at = p->rest, *text[3];
    size_t len[3];

    for (size_t i = 0; i < 3; i++) {
        if (!next_argument(&at, p->end, &text[i], &len[i]))
            return false;
    }
    return is_word(text[1], len[1], from) && is_word(text[2], len[2], to);
}

static bool takes_range(const struct parts *p)
{
    static const struct {
        const char *command, *from, *to;
    } ranges[] = {{"lrange", "0", "-1"},
                  {"zrange", "0", "-1"},
                  {"zrevrange", "0", "-1"},
                  {"xrange", "-", "+"},
                  {"xrevrange", "+", "-"}};

    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        if (is_word(p->command, p->command_len, ranges[i].command))
            return takes_all(p, ranges[i].from, ranges[i].to);
    }
    return true; /* it knows no other way */
}

static bool is_flagged(const struct parts *p, enum monitor_flag_kind kind)
{
    if (kind == FLAG_SCAN)
        return scans_all(p);
    return kind != FLAG_WHOLE || takes_range(p);
}

static void note_event(struct monitor_analysis *analysis, const struct parts *p,
                       enum monitor_flag_kind kind)
{
    struct monitor_event *event = &analysis->events[analysis->event_count++ % MONITOR_EVENTS];
    size_t len = (size_t)(p->end - p->text), shown = monitor_secret(p->text, len);
    const char *args = p->command - 1;

    len = shown > (size_t)(args - p->text) ? shown - (size_t)(args - p->text) : 0;
    *event = (struct monitor_event){.kind = kind, .bytes = p->bytes};
    event->time = strtod(p->text, NULL);
    event->db = (int)strtol(p->db, NULL, 10);
    snprintf(event->client, sizeof(event->client), "%.*s", (int)p->client_len, p->client);
    snprintf(event->text, sizeof(event->text), "%.*s",
             len < sizeof(event->text) ? (int)len : (int)sizeof(event->text), args);
}

static void flag(struct monitor_analysis *analysis, const struct parts *p,
                 enum monitor_flag_kind kind)
{
    if (kind == FLAG_NONE || !is_flagged(p, kind))
        return;
    analysis->flags[kind]++;
    /* Of what comes by the thousand only the first ones are kept: the rarer ones stay to be seen. */
    if ((kind != FLAG_SCAN && kind != FLAG_WHOLE) || analysis->flags[kind] < MONITOR_EVENTS / 4)
        note_event(analysis, p, kind);
}

/* ---- counting ---- */

static bool is_last(const struct last *last, const char *text, size_t len)
{
    return last->hitter && len == last->len && memcmp(text, last->text, len) == 0;
}

static void remember(struct last *last, const char *text, size_t len, struct hitter *hitter)
{
    last->hitter = len <= sizeof(last->text) ? hitter : NULL;
    if (!last->hitter)
        return;
    memcpy(last->text, text, len);
    last->len = len;
}

static void count_pattern(struct monitor_analysis *analysis, const char *key, size_t len,
                          uint64_t bytes)
{
    struct hitters *table = &analysis->tables[MONITOR_PATTERNS];
    char pattern[HITTER_TEXT];
    const size_t n = monitor_pattern(key, len, pattern, sizeof(pattern));

    if (is_last(&analysis->pattern, pattern, n)) {
        analysis->pattern.hitter->count++;
        analysis->pattern.hitter->bytes += bytes;
        table->total++;
        return;
    }
    remember(&analysis->pattern, pattern, n,
             hitters_add(table, hitters_hash(pattern, n), pattern, n, 1, bytes));
}

static void count_key(struct monitor_analysis *analysis, const char *key, size_t len,
                      uint64_t bytes)
{
    const uint64_t hash = hitters_hash(key, len);

    hitters_add(&analysis->tables[MONITOR_KEYS], hash, key, len, 1, bytes);
    if (bytes >= MONITOR_BIG_LINE)
        hitters_add(&analysis->tables[MONITOR_BIG_KEYS], hash, key, len, bytes, bytes);
    count_pattern(analysis, key, len, bytes);
}

/* A line's bytes are those of its first key, so that no sum counts them twice. */
static void count_keys(struct monitor_analysis *analysis, const char *at, const char *end,
                       uint64_t bytes, size_t most, size_t step)
{
    const char *text;
    size_t len;

    for (size_t i = 0; i < most * step && next_argument(&at, end, &text, &len); i++) {
        if (i % step == 0) {
            count_key(analysis, text, len, bytes);
            bytes = 0;
        }
    }
}

static bool skip_argument(const char **at, const char *end)
{
    const char *text;
    size_t len;

    return next_argument(at, end, &text, &len);
}

static size_t count_arguments(const char *at, const char *end)
{
    size_t count = 0;

    while (count <= MULTI_KEYS && skip_argument(&at, end))
        count++;
    return count;
}

/* "n" and so many keys. */
static void count_led(struct monitor_analysis *analysis, const char *at, const struct parts *p)
{
    const char *text;
    size_t len, count = 0;

    if (!next_argument(&at, p->end, &text, &len))
        return;
    for (size_t i = 0; i < len && count <= MULTI_KEYS && isdigit((unsigned char)text[i]); i++)
        count = 10 * count + (size_t)(text[i] - '0');
    count_keys(analysis, at, p->end, p->bytes, count < MULTI_KEYS ? count : MULTI_KEYS, 1);
}

static void count_script(struct monitor_analysis *analysis, const struct parts *p)
{
    const char *at = p->rest, *text;
    size_t len;

    if (!next_argument(&at, p->end, &text, &len))
        return;
    hitters_add(&analysis->tables[MONITOR_SCRIPTS], hitters_hash(text, len), text, len, 1,
                p->bytes);
    count_led(analysis, at, p);
}

static void count_streams(struct monitor_analysis *analysis, const struct parts *p)
{
    const char *at = p->rest, *text;
    size_t len;

    while (next_argument(&at, p->end, &text, &len)) {
        if (is_word(text, len, "streams")) {
            count_keys(analysis, at, p->end, p->bytes, count_arguments(at, p->end) / 2, 1);
            return;
        }
    }
}

/* BLMPOP: a timeout before it; ZUNIONSTORE: the destination, which is a key too. */
static void count_led_after(struct monitor_analysis *analysis, const struct parts *p, bool key)
{
    struct parts sources = *p;
    const char *at = p->rest;

    if (key) {
        count_keys(analysis, at, p->end, p->bytes, 1, 1);
        sources.bytes = 0;
    }
    if (skip_argument(&at, p->end))
        count_led(analysis, at, &sources);
}

static void count_migrated(struct monitor_analysis *analysis, const struct parts *p)
{
    const char *at = p->rest, *key, *text;
    size_t len;

    for (int place = 0; place < 2; place++) { /* host and port */
        if (!skip_argument(&at, p->end))
            return;
    }
    key = at;
    if (!next_argument(&at, p->end, &text, &len))
        return;
    if (len) {
        count_keys(analysis, key, p->end, p->bytes, 1, 1);
        return;
    }
    while (next_argument(&at, p->end, &text, &len)) {
        if (is_word(text, len, "keys"))
            count_keys(analysis, at, p->end, p->bytes, MULTI_KEYS, 1);
    }
}

static void count_by_place(struct monitor_analysis *analysis, const struct parts *p,
                           enum key_place place)
{
    const char *at = p->rest;
    size_t count;

    switch (place) {
    case KEYS_NONE: return;
    case KEYS_FIRST: count_keys(analysis, at, p->end, p->bytes, 1, 1); return;
    case KEYS_ALL: count_keys(analysis, at, p->end, p->bytes, MULTI_KEYS, 1); return;
    case KEYS_BUT_LAST:
        count = count_arguments(at, p->end);
        count_keys(analysis, at, p->end, p->bytes, count ? count - 1 : 0, 1);
        return;
    case KEYS_PAIRS: count_keys(analysis, at, p->end, p->bytes, MULTI_KEYS, 2); return;
    case KEYS_SECOND:
        if (skip_argument(&at, p->end))
            count_keys(analysis, at, p->end, p->bytes, 1, 1);
        return;
    case KEYS_TWO: count_keys(analysis, at, p->end, p->bytes, 2, 1); return;
    case KEYS_COUNTED: count_script(analysis, p); return;
    case KEYS_LED: count_led(analysis, at, p); return;
    case KEYS_STREAMS: count_streams(analysis, p); return;
    case KEYS_TIMED:
    case KEYS_STORED: count_led_after(analysis, p, place == KEYS_STORED); return;
    case KEYS_AFTER:
        if (skip_argument(&at, p->end))
            count_keys(analysis, at, p->end, p->bytes, MULTI_KEYS, 1);
        return;
    case KEYS_MIGRATED: count_migrated(analysis, p); return;
    }
}

/* ---- a line ---- */

#define NOTE_KNOWN (1U << 31)
#define NOTE_OURS  (1U << 30) /* the guard and the greeting use it */

/* What is remembered of a command that is met for the first time: its place, its flag. */
static uint32_t command_note(const char *name, size_t len)
{
    const struct monitor_command *command = monitor_command(name, len);
    uint32_t note = NOTE_KNOWN;

    if (command)
        note |= command->place | (uint32_t)command->flag << 8;
    if (is_word(name, len, "wait") || is_word(name, len, "xread") || is_word(name, len, "client"))
        note |= NOTE_OURS;
    return note;
}

/* Names come in both cases: they count as one, in capitals. */
static size_t fold_case(const char *name, size_t len, char *out)
{
    if (len > COMMAND_KEPT)
        len = COMMAND_KEPT;
    for (size_t i = 0; i < len; i++)
        out[i] = (char)(name[i] >= 'a' && name[i] <= 'z' ? name[i] - 'a' + 'A' : name[i]);
    return len;
}

/* Its counter, not counted yet, so that ours can be left out. */
static struct hitter *find_command(struct monitor_analysis *analysis, const struct parts *p)
{
    char name[COMMAND_KEPT];
    struct hitter *known;
    size_t len;

    if (is_last(&analysis->command, p->command, p->command_len))
        return analysis->command.hitter;
    len = fold_case(p->command, p->command_len, name);
    known =
        hitters_add(&analysis->tables[MONITOR_COMMANDS], hitters_hash(name, len), name, len, 0, 0);
    if (!known->note)
        known->note = command_note(p->command, p->command_len);
    remember(&analysis->command, p->command, p->command_len, known);
    return known;
}

static bool is_ours(const struct monitor_analysis *analysis, const struct parts *p, uint32_t note)
{
    return monitor_is_polling(p->command - 1, (size_t)(p->end - p->command + 1)) ||
           ((note & NOTE_OURS) &&
            monitor_is_own_command(p->command - 1, (size_t)(p->end - p->command + 1),
                                   analysis->token));
}

static void end_turn(struct monitor_analysis *analysis)
{
    struct turn *turn = &analysis->turn;
    const char *space = memchr(turn->source, ' ', turn->len);
    size_t db = space ? (size_t)(space - turn->source) : 0, len = turn->len - db - 1;

    if (space && turn->count) {
        hitters_add(&analysis->tables[MONITOR_CLIENTS], hitters_hash(space + 1, len), space + 1,
                    len, turn->count, turn->bytes);
        hitters_add(&analysis->tables[MONITOR_DATABASES], hitters_hash(turn->source, db),
                    turn->source, db, turn->count, turn->bytes);
        if (len == 3 && memcmp(space + 1, "lua", 3) == 0)
            analysis->lua += turn->count;
    }
    turn->count = turn->bytes = 0;
}

/* Somebody else's turn. Long sources (paths of sockets) are cut: they count by what is left. */
static void take_turn(struct monitor_analysis *analysis, const struct parts *p)
{
    struct turn *turn = &analysis->turn;
    size_t len = (size_t)(p->client + p->client_len - p->db);

    if (len > sizeof(turn->source))
        len = sizeof(turn->source);
    end_turn(analysis);
    memcpy(turn->source, p->db, len);
    turn->len = len;
    turn->db_len = p->db_len;
}

void monitor_analysis_guard(struct monitor_analysis *analysis, uint32_t token)
{
    analysis->token = token;
}

/* The same as monitor_parse accepts, but for the digits of the time. */
static bool take_apart(struct monitor_analysis *analysis, struct parts *p)
{
    const char *source = find_source(p);

    if (!source)
        return false;
    if (!is_of_turn(&analysis->turn, p, source)) {
        if (!take_source(p, source))
            return false;
        take_turn(analysis, p);
    }
    take_command(p);
    return true;
}

void monitor_analysis_line(struct monitor_analysis *analysis, const char *text, size_t len,
                           uint64_t bytes)
{
    struct parts p = {.text = text, .end = text + len, .bytes = bytes};
    struct hitter *command;
    uint32_t note;

    if (!take_apart(analysis, &p)) {
        analysis->odd++;
        return;
    }
    command = find_command(analysis, &p);
    note = command->note;
    if (is_ours(analysis, &p, note)) {
        analysis->own++;
        return;
    }
    command->count++;
    command->bytes += bytes;
    analysis->tables[MONITOR_COMMANDS].total++;
    analysis->lines++;
    analysis->bytes += bytes;
    analysis->turn.count++;
    analysis->turn.bytes += bytes;
    if (note & 0xff00)
        flag(analysis, &p, (enum monitor_flag_kind)(note >> 8 & 0xff));
    if (bytes >= MONITOR_BIG_VALUE)
        flag(analysis, &p, FLAG_VALUE);
    count_by_place(analysis, &p, (enum key_place)(note & 0xff));
}

bool monitor_is_own_command(const char *args, size_t len, uint32_t token)
{
    const char *at = args, *end = args + len, *text;
    char own[48];
    size_t text_len;

    if (!next_argument(&at, end, &text, &text_len))
        return false;
    if (is_word(text, text_len, "client"))
        return next_argument(&at, end, &text, &text_len) && is_word(text, text_len, "setname") &&
               next_argument(&at, end, &text, &text_len) && is_word(text, text_len, "sharedtop");
    if (!token || (!is_word(text, text_len, "wait") && !is_word(text, text_len, "xread")))
        return false;
    snprintf(own, sizeof(own), "%u", token);
    return memmem(args, len < 256 ? len : 256, own, strlen(own)) != NULL;
}

/* ---- the sum ---- */

/* Without those that only we have sent: they have a counter, and were never counted. */
static uint32_t known_texts(const struct hitters *table)
{
    uint32_t known = 0;

    for (uint32_t i = 0; i < table->slots; i++)
        known += table->table[i].hash && table->table[i].count;
    return known;
}

static void sum_top(const struct hitters *table, struct monitor_top *top)
{
    const struct hitter *best[MONITOR_ROWS];

    top->total = table->total;
    top->error = table->error;
    top->known = known_texts(table);
    top->count = (uint32_t)hitters_top(table, best, MONITOR_ROWS);
    while (top->count && !best[top->count - 1]->count)
        top->count--;
    for (uint32_t i = 0; i < top->count; i++) {
        struct monitor_row *row = &top->rows[i];
        size_t len;
        const char *text = hitters_text(table, best[i], &len);

        *row = (struct monitor_row){
            .id = best[i]->hash, .count = best[i]->count, .bytes = best[i]->bytes};
        memcpy(row->text, text, len);
    }
}

void monitor_analysis_sum(struct monitor_analysis *analysis, struct monitor_summary *summary)
{
    end_turn(analysis);
    summary->lines = analysis->lines;
    summary->bytes = analysis->bytes;
    summary->own = analysis->own;
    summary->lua = analysis->lua;
    summary->odd = analysis->odd;
    memcpy(summary->flags, analysis->flags, sizeof(summary->flags));
    summary->event_count = analysis->event_count < MONITOR_EVENTS ? (uint32_t)analysis->event_count
                                                                  : (uint32_t)MONITOR_EVENTS;
    for (uint32_t i = 0; i < summary->event_count; i++)
        summary->events[i] = analysis->events[(analysis->event_count - 1 - i) % MONITOR_EVENTS];
    for (int i = 0; i < MONITOR_DIMENSIONS; i++)
        sum_top(&analysis->tables[i], &summary->top[i]);
}

const char *monitor_dimension_name(enum monitor_dimension dimension)
{
    static const char *const names[MONITOR_DIMENSIONS] = {
        "commands", "keys", "patterns", "clients", "databases", "scripts", "big keys"};

    return names[dimension];
}

const char *monitor_flag_name(enum monitor_flag_kind kind)
{
    static const char *const names[FLAG_KINDS] = {"",       "KEYS", "FLUSHDB",     "FLUSHALL",
                                                  "SWAPDB", "scan", "whole value", "big value"};

    return names[kind];
}
