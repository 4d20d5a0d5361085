#include "backend/manifest.h"

#include "backend/base/mem.h"
#include "backend/base/strbuf.h"
#include "backend/plan.h"
#include "backend/textfile.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    MANIFEST_MAX = 64 * 1024 * 1024,
    NAME_MAX_LEN = 150,
    NAME_HASH = 12 /* hex digits in place of what was cut */
};

struct field {
    const char *name;
    size_t offset;
};

static const struct field texts[] = {
    {"server", offsetof(struct manifest, server)},
    {"server_version", offsetof(struct manifest, server_version)},
    {"system_identifier", offsetof(struct manifest, system_identifier)},
    {"database", offsetof(struct manifest, database)},
    {"owner", offsetof(struct manifest, owner)},
    {"encoding", offsetof(struct manifest, encoding)},
    {"collate", offsetof(struct manifest, collate)},
    {"ctype", offsetof(struct manifest, ctype)},
    {"locale_provider", offsetof(struct manifest, locale_provider)},
    {"locale", offsetof(struct manifest, locale)},
    {"tool_version", offsetof(struct manifest, tool_version)},
    {"file", offsetof(struct manifest, file)},
    {"sha256", offsetof(struct manifest, sha256)},
    {"started", offsetof(struct manifest, started)},
    {"ended", offsetof(struct manifest, ended)},
};

static const struct field numbers[] = {
    {"bytes", offsetof(struct manifest, bytes)},
    {"database_size", offsetof(struct manifest, database_size)},
    {"table_count", offsetof(struct manifest, table_count)},
    {"large_objects", offsetof(struct manifest, large_objects)},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static char **text_of(struct manifest *manifest, const struct field *field)
{
    return (char **)(void *)((char *)manifest + field->offset);
}

static int64_t *number_of(struct manifest *manifest, const struct field *field)
{
    return (int64_t *)(void *)((char *)manifest + field->offset);
}

static const char *text_in(const struct manifest *manifest, const struct field *field)
{
    return *(const char *const *)(const void *)((const char *)manifest + field->offset);
}

static int64_t number_in(const struct manifest *manifest, const struct field *field)
{
    return *(const int64_t *)(const void *)((const char *)manifest + field->offset);
}

void manifest_init(struct manifest *manifest)
{
    *manifest = (struct manifest){0};
    for (size_t i = 0; i < COUNT(numbers); i++)
        *number_of(manifest, &numbers[i]) = -1;
}

void manifest_free(struct manifest *manifest)
{
    for (size_t i = 0; i < COUNT(texts); i++)
        free(*text_of(manifest, &texts[i]));
    for (size_t i = 0; i < manifest->count; i++) {
        free(manifest->tables[i].schema);
        free(manifest->tables[i].name);
    }
    free(manifest->tables);
    manifest_init(manifest);
}

/* ---- writing ---- */

static json_t *number_json(int64_t number)
{
    return number < 0 ? json_null() : json_integer(number);
}

static json_t *tables_json(const struct manifest *manifest)
{
    json_t *array = json_array();

    for (size_t i = 0; i < manifest->count; i++) {
        const struct manifest_table *table = &manifest->tables[i];
        json_t *row = json_object();

        json_object_set_new(row, "schema", json_bytes(table->schema));
        json_object_set_new(row, "name", json_bytes(table->name));
        json_object_set_new(row, "rows", number_json(table->rows));
        json_array_append_new(array, row);
    }
    return array;
}

static char *to_text(const struct manifest *manifest)
{
    json_t *object = json_object();
    char *text;

    for (size_t i = 0; i < COUNT(texts); i++)
        json_object_set_new(object, texts[i].name, json_bytes(text_in(manifest, &texts[i])));
    for (size_t i = 0; i < COUNT(numbers); i++)
        json_object_set_new(object, numbers[i].name, number_json(number_in(manifest, &numbers[i])));
    json_object_set_new(object, "counted", json_boolean(manifest->counted));
    json_object_set_new(object, "tables", tables_json(manifest));
    text = json_dumps(object, JSON_INDENT(1) | JSON_PRESERVE_ORDER);
    json_decref(object);
    return text;
}

/* A new file at path with this text, on the disk. 0, or errno. */
static int write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600), error = 0;

    if (fd < 0)
        return errno;
    if (fchmod(fd, 0600) < 0 || !textfile_write(fd, text, strlen(text)) ||
        !textfile_write(fd, "\n", 1) || fsync(fd) < 0)
        error = errno;
    if (close(fd) < 0 && !error)
        error = errno;
    return error;
}

static int sync_folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = !slash          ? mem_strdup(".")
                   : slash == path ? mem_strdup("/")
                                   : mem_strndup(path, (size_t)(slash - path));
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), error = 0;

    /* Some file systems cannot sync a folder, and say so: they need none. */
    if (fd < 0 || (fsync(fd) < 0 && errno != EINVAL && errno != ENOTSUP))
        error = errno;
    if (fd >= 0)
        close(fd);
    free(folder);
    return error;
}

char *manifest_write(const struct manifest *manifest, const char *path)
{
    char *partial = mem_printf("%s.partial", path), *text = to_text(manifest), *why = NULL;
    int error = text ? write_file(partial, text) : ENOMEM;

    if (!error && rename(partial, path) < 0)
        error = errno;
    if (error) {
        unlink(partial);
    } else {
        error = sync_folder_of(path);
        if (error)
            unlink(path);
    }
    if (error)
        why = mem_printf("cannot write the manifest %s: %s", path, strerror(error));
    free(text);
    free(partial);
    return why;
}

/* ---- reading ---- */

static char *string_copy(const json_t *value)
{
    return mem_strdup(json_string_value(value));
}

static int64_t number_value(const json_t *value)
{
    return json_is_integer(value) && json_integer_value(value) >= 0 ? json_integer_value(value)
                                                                    : -1;
}

/* A table without a name is none. */
static void read_tables(const json_t *array, struct manifest *manifest)
{
    size_t size = json_array_size(array);

    if (!size)
        return;
    manifest->tables = mem_array(NULL, size, sizeof(*manifest->tables));
    for (size_t i = 0; i < size; i++) {
        const json_t *row = json_array_get(array, i);
        const json_t *schema = json_object_get(row, "schema"), *name = json_object_get(row, "name");

        if (json_is_string(schema) && json_is_string(name))
            manifest->tables[manifest->count++] =
                (struct manifest_table){.schema = string_copy(schema),
                                        .name = string_copy(name),
                                        .rows = number_value(json_object_get(row, "rows"))};
    }
}

bool manifest_parse(const char *text, size_t len, struct manifest *manifest, char **error)
{
    json_error_t fault;
    json_t *object = json_loadb(text, len, 0, &fault);

    manifest_init(manifest);
    *error = NULL;
    if (!json_is_object(object)) {
        *error = object ? mem_strdup("it is no manifest: not a JSON object")
                        : mem_printf("it is no manifest: line %d: %s", fault.line, fault.text);
        json_decref(object);
        return false;
    }
    for (size_t i = 0; i < COUNT(texts); i++)
        *text_of(manifest, &texts[i]) = string_copy(json_object_get(object, texts[i].name));
    for (size_t i = 0; i < COUNT(numbers); i++)
        *number_of(manifest, &numbers[i]) = number_value(json_object_get(object, numbers[i].name));
    manifest->counted = json_is_true(json_object_get(object, "counted"));
    read_tables(json_object_get(object, "tables"), manifest);
    json_decref(object);
    if (manifest->file && strchr(manifest->file, '/')) {
        free(manifest->file);
        manifest->file = NULL;
    }
    return true;
}

/* The bytes of an open file; NULL: *error. */
static char *read_text(int fd, size_t *len, char **error)
{
    struct stat found;
    char *text;
    ssize_t n = 0;

    if (fstat(fd, &found) < 0 || !S_ISREG(found.st_mode) || found.st_size > MANIFEST_MAX) {
        *error = mem_strdup("it is not a plain file of at most 64 MiB");
        return NULL;
    }
    text = mem_alloc((size_t)found.st_size + 1);
    *len = 0;
    while (*len < (size_t)found.st_size &&
           ((n = read(fd, text + *len, (size_t)found.st_size - *len)) > 0 ||
            (n < 0 && errno == EINTR)))
        *len += n > 0 ? (size_t)n : 0;
    if (*len == (size_t)found.st_size)
        return text;
    *error = mem_strdup(n < 0 ? strerror(errno) : "it became shorter while it was read");
    free(text);
    return NULL;
}

bool manifest_read(const char *path, struct manifest *manifest, char **error)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    char *text = NULL, *why = NULL;
    size_t len = 0;
    bool good = false;

    manifest_init(manifest);
    *error = NULL;
    if (fd < 0) {
        why = mem_strdup(strerror(errno));
    } else {
        text = read_text(fd, &len, &why);
        close(fd);
    }
    if (text)
        good = manifest_parse(text, len, manifest, &why);
    if (!good)
        *error = mem_printf("%s: %s", path, why);
    free(text);
    free(why);
    return good;
}

/* ---- names ---- */

static bool plain(char c, bool first)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           (!first && (c == '-' || c == '.'));
}

/* Long names that begin alike must not become one. */
static void cut(struct strbuf *name, const char *database)
{
    uint8_t digest[NAME_HASH / 2];
    struct sha256_ctx sum;

    sha256_init(&sum);
    sha256_update(&sum, strlen(database), (const uint8_t *)database);
    sha256_digest(&sum, sizeof(digest), digest);
    name->len = NAME_MAX_LEN - NAME_HASH - 1;
    for (size_t i = 1; i < 3; i++) { /* no half %XX */
        if (name->s[name->len - i] == '%') {
            name->len -= i;
            break;
        }
    }
    strbuf_addc(name, '~');
    for (size_t i = 0; i < sizeof(digest); i++)
        strbuf_addf(name, "%02x", digest[i]);
}

char *manifest_file_name(const char *database)
{
    struct strbuf name = {0};

    for (const char *c = database; *c; c++) {
        if (plain(*c, c == database))
            strbuf_addc(&name, *c);
        else
            strbuf_addf(&name, "%%%02X", (unsigned char)*c);
    }
    if (name.len > NAME_MAX_LEN)
        cut(&name, database);
    return strbuf_take(&name);
}
