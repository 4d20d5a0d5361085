#include "backend/audit.h"

#include "backend/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TAIL_MOST ((size_t)4 << 20)

static char *take_string(const json_t *line, const char *name)
{
    return mem_strdup(json_string_value(json_object_get(line, name)));
}

/* The commands of a plan, one a line. */
static char *take_commands(const json_t *line)
{
    const json_t *commands = json_object_get(line, "commands"), *command;
    char *all = NULL;
    size_t i;

    json_array_foreach(commands, i, command)
    {
        const char *text = json_string_value(command);
        char *longer = text ? mem_printf("%s%s%s", all ? all : "", all ? "\n" : "", text) : NULL;

        if (!longer)
            continue;
        free(all);
        all = longer;
    }
    return all;
}

static void free_entry(struct audit_entry *entry)
{
    free(entry->id);
    free(entry->time);
    free(entry->user);
    free(entry->host);
    free(entry->act);
    free(entry->instance);
    free(entry->target);
    free(entry->environment);
    free(entry->command);
    free(entry->status);
    free(entry->outcome);
}

/* Makes room by forgetting the oldest. */
static struct audit_entry *add_entry(struct audit_entries *entries, size_t most)
{
    if (entries->count == most) {
        free_entry(&entries->items[0]);
        entries->count--;
        memmove(entries->items, entries->items + 1, entries->count * sizeof(struct audit_entry));
    } else {
        entries->items = mem_array(entries->items, entries->count + 1, sizeof(struct audit_entry));
    }
    entries->items[entries->count] = (struct audit_entry){0};
    return &entries->items[entries->count++];
}

static struct audit_entry *find_entry(const struct audit_entries *entries, const char *id)
{
    for (size_t i = entries->count; id && i-- > 0;) {
        if (entries->items[i].id && strcmp(entries->items[i].id, id) == 0)
            return &entries->items[i];
    }
    return NULL;
}

static void add_intent(struct audit_entries *entries, size_t most, const json_t *line)
{
    struct audit_entry *entry = add_entry(entries, most);

    entry->id = take_string(line, "id");
    entry->time = take_string(line, "time");
    entry->user = take_string(line, "sudo_user");
    if (!entry->user)
        entry->user = take_string(line, "user");
    entry->host = take_string(line, "host");
    entry->act = take_string(line, "act");
    entry->instance = take_string(line, "instance");
    entry->target = take_string(line, "target");
    entry->environment = take_string(line, "environment");
    entry->command = take_commands(line);
}

static void add_outcome(struct audit_entries *entries, const json_t *line)
{
    struct audit_entry *entry = find_entry(entries, json_string_value(json_object_get(line, "id")));

    /* What a program said when it was ended gives way to what its job says in the end. */
    if (!entry || (entry->status && strcmp(entry->status, "unknown") != 0))
        return;
    free(entry->status);
    free(entry->outcome);
    entry->status = take_string(line, "status");
    entry->outcome = take_string(line, "outcome");
}

static void parse_line(const char *text, size_t len, size_t most, struct audit_entries *entries)
{
    json_t *line = len ? json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL) : NULL;
    const char *event = json_string_value(json_object_get(line, "event"));

    if (event && strcmp(event, "intent") == 0)
        add_intent(entries, most, line);
    else if (event && strcmp(event, "outcome") == 0)
        add_outcome(entries, line);
    else if (len)
        entries->unreadable++;
    json_decref(line);
}

void audit_parse(const char *text, size_t len, size_t most, struct audit_entries *entries)
{
    *entries = (struct audit_entries){0};
    while (len && most) {
        const char *end = memchr(text, '\n', len);
        size_t line = end ? (size_t)(end - text) : len, used = end ? line + 1 : line;

        parse_line(text, line, most, entries);
        text += used;
        len -= used;
    }
}

/* The tail of the file from the first whole line on. NULL: errno. */
static char *read_tail(int fd, size_t *len)
{
    struct stat file;
    off_t from;
    char *text;
    ssize_t got;

    if (fstat(fd, &file) != 0)
        return NULL;
    from = file.st_size > (off_t)TAIL_MOST ? file.st_size - (off_t)TAIL_MOST : 0;
    text = mem_alloc(TAIL_MOST);
    got = pread(fd, text, TAIL_MOST, from);
    if (got < 0) {
        free(text);
        return NULL;
    }
    *len = (size_t)got;
    if (from) {
        const char *end = memchr(text, '\n', *len);
        size_t skip = end ? (size_t)(end - text) + 1 : *len;

        memmove(text, text + skip, *len - skip);
        *len -= skip;
    }
    return text;
}

bool audit_read(const char *path, size_t most, struct audit_entries *entries, char **error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    char *text = NULL;
    size_t len = 0;
    bool absent = fd < 0 && errno == ENOENT;

    *entries = (struct audit_entries){0};
    *error = NULL;
    if (fd >= 0)
        text = read_tail(fd, &len);
    if (!text && !absent)
        *error = mem_printf("cannot read the audit file %s: %s", path, strerror(errno));
    if (text)
        audit_parse(text, len, most, entries);
    if (fd >= 0)
        close(fd);
    free(text);
    return !*error;
}

void audit_entries_free(struct audit_entries *entries)
{
    for (size_t i = 0; i < entries->count; i++)
        free_entry(&entries->items[i]);
    free(entries->items);
    *entries = (struct audit_entries){0};
}
