#include "backend/act_restore_dump.h"

#include "backend/base/mem.h"
#include "backend/base/strbuf.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define STRING_MOST (64L << 20) /* bytes of one string in a table of contents */
#define HEAD_BYTES  300

/* Versions of the format, as minor numbers of 1: the oldest that is read here, those that added a
 * field, the newest whose contents are known here. */
enum {
    FORMAT_OLDEST = 12,    /* PostgreSQL 9.0 */
    FORMAT_TABLE_AM = 14,  /* 12 */
    FORMAT_ALGORITHM = 15, /* 16 */
    FORMAT_RELKIND = 16,   /* 17 */
    FORMAT_NEWEST = FORMAT_RELKIND
};

enum { ARCHIVE_CUSTOM = 1, ARCHIVE_TAR = 3, ARCHIVE_DIRECTORY = 5 };

struct reader {
    FILE *file;
    int int_size, offset_size;
    bool bad; /* cut, or a length that cannot be */
};

static int read_byte(struct reader *reader)
{
    int byte = reader->bad ? EOF : getc(reader->file);

    if (byte == EOF)
        reader->bad = true;
    return byte == EOF ? 0 : byte;
}

/* A sign, then the bytes from the lowest. */
static long read_int(struct reader *reader)
{
    bool negative = read_byte(reader) != 0;
    uint64_t value = 0;

    for (int i = 0; i < reader->int_size; i++) {
        uint64_t byte = (uint64_t)read_byte(reader);

        if (i < 4)
            value |= byte << (8 * i);
        else if (byte)
            reader->bad = true;
    }
    return negative ? -(long)value : (long)value;
}

/* NULL: absent, or bad. Grows as bytes come, since a length may lie. */
static char *read_string(struct reader *reader)
{
    struct strbuf text = {0};
    long left = read_int(reader);
    char block[4096];

    if (left < 0 || reader->bad)
        return NULL;
    if (left > STRING_MOST)
        reader->bad = true;
    while (left > 0 && !reader->bad) {
        size_t want = left < (long)sizeof(block) ? (size_t)left : sizeof(block);
        size_t got = fread(block, 1, want, reader->file);

        reader->bad = got != want || memchr(block, '\0', got);
        strbuf_add(&text, block, got);
        left -= (long)got;
    }
    if (!reader->bad)
        return strbuf_take(&text);
    strbuf_free(&text);
    return NULL;
}

static void skip_string(struct reader *reader)
{
    free(read_string(reader));
}

/* ---- names ---- */

bool dump_has_name(const struct dump_names *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->items[i], name) == 0)
            return true;
    }
    return false;
}

/* Takes over name (NULL and "" add nothing). */
static void add_name(struct dump_names *names, char *name)
{
    if (!name || !*name || dump_has_name(names, name)) {
        free(name);
        return;
    }
    names->items = mem_array(names->items, names->count + 1, sizeof(*names->items));
    names->items[names->count++] = name;
}

static void free_names(struct dump_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->items[i]);
    free(names->items);
    *names = (struct dump_names){0};
}

/* ---- the few words of SQL that pg_dump writes ---- */

/* One token from *at on: a quoted name or string (undoubled), a word, or one other character; NULL
 * at the end. *kind: its first character, 'a' for a word. */
static char *next_token(const char **at, char *kind)
{
    struct strbuf token = {0};
    const char *s = *at + strspn(*at, " \t\r\n");

    *kind = *s;
    if (!*s)
        return NULL;
    if (*s == '"' || *s == '\'') {
        const char quote = *s++;

        for (; *s && (*s != quote || s[1] == quote); s++) {
            if (*s == quote)
                s++;
            strbuf_addc(&token, *s);
        }
        s += *s != '\0';
    } else if (isalnum((unsigned char)*s) || *s == '_' || *s & 0x80) {
        size_t len = 1;

        while (isalnum((unsigned char)s[len]) || (s[len] && strchr("_$", s[len])) || s[len] & 0x80)
            len++;
        *kind = 'a';
        strbuf_add(&token, s, len);
        s += len;
    } else {
        strbuf_addc(&token, *s++);
    }
    *at = s;
    return strbuf_take(&token);
}

static bool is_word(const char *token, char kind, const char *word)
{
    return kind == 'a' && strcasecmp(token, word) == 0;
}

/* In what pg_dump writes these words, unquoted, always come before a role. */
static bool before_role(const char *token, char kind)
{
    static const char *const words[] = {"TO", "FROM", "ROLE", "AUTHORIZATION"};

    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
        if (is_word(token, kind, words[i]))
            return true;
    }
    return false;
}

void dump_grantees(const char *sql, struct dump_names *roles)
{
    bool expected = false;
    char kind, *token;

    while ((token = next_token(&sql, &kind))) {
        bool role = expected && (kind == '"' || kind == 'a') && !is_word(token, kind, "PUBLIC");

        expected = before_role(token, kind) || (expected && is_word(token, kind, "GROUP"));
        if (role && !expected)
            add_name(roles, token);
        else
            free(token);
    }
}

char *dump_option(const char *sql, const char *option)
{
    char kind, *token;
    int seen = 0; /* 1: the option's name, 2: its = too */

    while ((token = next_token(&sql, &kind))) {
        if (seen == 2 && (kind == '\'' || kind == 'a' || kind == '"'))
            return token;
        if (seen == 1 && kind == '=')
            seen = 2;
        else
            seen = is_word(token, kind, option);
        free(token);
    }
    return NULL;
}

/* ---- the table of contents ---- */

struct entry {
    char *tag, *kind, *definition, *schema, *owner;
};

static void read_database(struct dump *dump, struct entry *entry)
{
    const char *sql = entry->definition ? entry->definition : "";
    char *locale = dump_option(sql, "LOCALE"), *encoding = dump_option(sql, "ENCODING");

    if (dump->owner)
        goto out; /* a dump has one */
    dump->owner = entry->owner;
    entry->owner = NULL;
    dump->collate = dump_option(sql, "LC_COLLATE");
    dump->ctype = dump_option(sql, "LC_CTYPE");
    dump->provider = dump_option(sql, "LOCALE_PROVIDER");
    dump->locale = dump_option(sql, "ICU_LOCALE");
    if (!dump->locale)
        dump->locale = dump_option(sql, "BUILTIN_LOCALE");
    if (!dump->collate)
        dump->collate = mem_strdup(locale);
    if (!dump->ctype)
        dump->ctype = mem_strdup(locale);
    dump->encoding = encoding;
    encoding = NULL;
out:
    free(locale);
    free(encoding);
}

static bool is_of_database(const char *kind)
{
    return strcmp(kind, "DATABASE") == 0 || strcmp(kind, "DATABASE PROPERTIES") == 0;
}

/* The ACL of the database itself is no part of what pg_restore restores here. */
static bool has_grants(const struct entry *entry)
{
    if (strcmp(entry->kind, "DEFAULT ACL") == 0)
        return true;
    return strcmp(entry->kind, "ACL") == 0 &&
           (!entry->tag || strncmp(entry->tag, "DATABASE ", strlen("DATABASE ")) != 0);
}

static bool is_blobs(const char *kind)
{
    return strcmp(kind, "BLOB") == 0 || strcmp(kind, "BLOB METADATA") == 0;
}

static void note_entry(struct dump *dump, struct entry *entry)
{
    const char *kind = entry->kind ? entry->kind : "";
    const bool grants = entry->kind && has_grants(entry);

    if (strcmp(kind, "DATABASE") == 0)
        read_database(dump, entry);
    else if (strcmp(kind, "EXTENSION") == 0)
        add_name(&dump->extensions, mem_strdup(entry->tag));
    else if (grants && entry->definition)
        dump_grantees(entry->definition, &dump->grantees);
    dump->tables += strcmp(kind, "TABLE") == 0;
    dump->data += strcmp(kind, "TABLE DATA") == 0;
    dump->blobs += is_blobs(kind);
    if (!is_of_database(kind) && (grants || strcmp(kind, "ACL") != 0)) {
        add_name(&dump->roles, entry->owner);
        entry->owner = NULL;
    }
}

static void skip_offset(struct reader *reader)
{
    for (int i = 0; i < 1 + reader->offset_size; i++)
        read_byte(reader);
}

static void skip_dependencies(struct reader *reader)
{
    char *one;

    while ((one = read_string(reader)))
        free(one);
}

static void read_entry(struct reader *reader, struct dump *dump)
{
    struct entry entry;

    read_int(reader);    /* its number */
    read_int(reader);    /* has data */
    skip_string(reader); /* oids */
    skip_string(reader);
    entry.tag = read_string(reader);
    entry.kind = read_string(reader);
    read_int(reader); /* section */
    entry.definition = read_string(reader);
    skip_string(reader); /* drop */
    skip_string(reader); /* copy */
    entry.schema = read_string(reader);
    skip_string(reader); /* tablespace */
    if (dump->minor >= FORMAT_TABLE_AM)
        skip_string(reader);
    if (dump->minor >= FORMAT_RELKIND)
        read_int(reader);
    entry.owner = read_string(reader);
    skip_string(reader); /* with oids */
    skip_dependencies(reader);
    skip_offset(reader);
    if (!reader->bad)
        note_entry(dump, &entry);
    free(entry.tag);
    free(entry.kind);
    free(entry.definition);
    free(entry.schema);
    free(entry.owner);
}

static void read_contents(struct reader *reader, struct dump *dump)
{
    long count = read_int(reader);

    if (count < 0)
        reader->bad = true;
    for (long i = 0; i < count && !reader->bad; i++)
        read_entry(reader, dump);
    dump->entries = (size_t)count;
    dump->listed = !reader->bad;
}

/* ---- the header ---- */

static void read_made(struct reader *reader, struct dump *dump)
{
    long part[7]; /* second, minute, hour, day, month from 0, year from 1900, summer time */

    for (size_t i = 0; i < 7; i++)
        part[i] = read_int(reader);
    if (!reader->bad)
        dump->made = mem_printf("%04ld-%02ld-%02ld %02ld:%02ld:%02ld", 1900 + part[5], 1 + part[4],
                                part[3], part[2], part[1], part[0]);
}

static char *bad_format(int format)
{
    if (format == ARCHIVE_DIRECTORY)
        return mem_strdup("it is the table of contents of a dump in directory format, not a custom "
                          "one; make it with pg_dump -Fc, or restore that with pg_restore -Fd");
    if (format == ARCHIVE_TAR)
        return mem_strdup("it is the table of contents of a dump in tar format, not a custom one; "
                          "make it with pg_dump -Fc, or restore that with pg_restore -Ft");
    return mem_printf("it is an archive of unknown kind %d, not a custom one (pg_dump -Fc)",
                      format);
}

/* After the magic. The sizes are those of the host that made it. */
static char *read_fixed(struct reader *reader, struct dump *dump)
{
    int format;

    dump->major = (unsigned char)read_byte(reader);
    dump->minor = (unsigned char)read_byte(reader);
    if (!reader->bad && (dump->major < 1 || (dump->major == 1 && dump->minor < FORMAT_OLDEST)))
        return mem_printf("its format %d.%d is older than PostgreSQL 9.0's; restore it by hand",
                          dump->major, dump->minor);
    read_byte(reader); /* revision */
    reader->int_size = read_byte(reader);
    reader->offset_size = read_byte(reader);
    format = read_byte(reader);
    if (!reader->bad && dump->major == 1 && format != ARCHIVE_CUSTOM)
        return bad_format(format);
    if (reader->int_size < 1 || reader->int_size > 32 || reader->offset_size > 32)
        reader->bad = true;
    return NULL;
}

static char *read_head(struct reader *reader, struct dump *dump)
{
    char *error = read_fixed(reader, dump);

    if (error || reader->bad || dump->major > 1 || dump->minor > FORMAT_NEWEST)
        return error;
    if (dump->minor >= FORMAT_ALGORITHM)
        read_byte(reader);
    else
        read_int(reader); /* compression's level */
    read_made(reader, dump);
    dump->database = read_string(reader);
    dump->server_version = read_string(reader);
    dump->tool_version = read_string(reader);
    read_contents(reader, dump);
    return NULL;
}

/* ---- what else people take for a dump ---- */

struct magic {
    size_t at;
    const char *bytes;
    size_t len;
    const char *text;
};

static const struct magic magics[] = {
    {0, "\x1f\x8b", 2, "it is compressed with gzip; gunzip it first"},
    {0, "\x28\xb5\x2f\xfd", 4, "it is compressed with zstd; unzstd it first"},
    {0,
     "\xfd"
     "7zXZ",
     5, "it is compressed with xz; unxz it first"},
    {0, "BZh", 3, "it is compressed with bzip2; bunzip2 it first"},
    {0, "\x04\x22\x4d\x18", 4, "it is compressed with lz4; unlz4 it first"},
    {257, "ustar", 5,
     "it is a tar archive, not a custom dump; make it with pg_dump -Fc, or use pg_restore -Ft"},
};

static bool looks_like_sql(const char *head, size_t len)
{
    static const char *const words[] = {"--", "SET ", "CREATE ", "BEGIN", "COPY ", "INSERT ", "\\"};

    while (len && isspace((unsigned char)*head))
        head++, len--;
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
        if (len >= strlen(words[i]) && strncasecmp(head, words[i], strlen(words[i])) == 0)
            return true;
    }
    return false;
}

static char *what_it_is(const char *head, size_t len)
{
    if (!len)
        return mem_strdup("it is empty");
    for (size_t i = 0; i < sizeof(magics) / sizeof(*magics); i++) {
        const struct magic *magic = &magics[i];

        if (len >= magic->at + magic->len && !memcmp(head + magic->at, magic->bytes, magic->len))
            return mem_strdup(magic->text);
    }
    if (looks_like_sql(head, len))
        return mem_strdup("it is plain SQL, not a custom dump; run it with psql -f, or make a dump "
                          "with pg_dump -Fc");
    return mem_strdup("it is no dump of PostgreSQL's custom format (pg_dump -Fc)");
}

bool dump_read(FILE *file, struct dump *dump, char **error)
{
    static const char magic[] = {'P', 'G', 'D', 'M', 'P'};
    struct reader reader = {.file = file};
    char head[HEAD_BYTES];
    size_t len;

    *dump = (struct dump){0};
    *error = NULL;
    rewind(file);
    len = fread(head, 1, sizeof(head), file);
    if (len < sizeof(magic) || memcmp(head, magic, sizeof(magic)) != 0) {
        *error = what_it_is(head, len);
        return false;
    }
    if (fseek(file, sizeof(magic), SEEK_SET) == 0)
        *error = read_head(&reader, dump);
    else
        reader.bad = true;
    if (reader.bad && !*error)
        *error = mem_strdup(feof(file) ? "it is cut: it ends within its table of contents; copy it "
                                         "again, or take another backup"
                                       : "its table of contents is damaged; copy it again, or take "
                                         "another backup");
    if (*error)
        dump_free(dump);
    return !*error;
}

void dump_free(struct dump *dump)
{
    char *const strings[] = {dump->made,     dump->database,     dump->server_version, dump->owner,
                             dump->encoding, dump->tool_version, dump->collate,        dump->ctype,
                             dump->locale,   dump->provider};

    for (size_t i = 0; i < sizeof(strings) / sizeof(*strings); i++)
        free(strings[i]);
    free_names(&dump->roles);
    free_names(&dump->grantees);
    free_names(&dump->extensions);
    *dump = (struct dump){0};
}

/* ---- versions ---- */

/* The newest format that each major version reads. */
static const struct {
    int tool, minor;
} formats[] = {{9, 12}, {10, 13}, {12, 14}, {16, 15}, {17, 16}};

int dump_oldest_tool(const struct dump *dump)
{
    for (size_t i = 0; dump->major == 1 && i < sizeof(formats) / sizeof(*formats); i++) {
        if (dump->minor <= formats[i].minor)
            return formats[i].tool;
    }
    return 0;
}
