#include "backend/manifest.h"

#include "backend/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static char *folder;

static int make_folder(void **state)
{
    (void)state;
    folder = mem_strdup("/tmp/manifest-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    int status = rmdir(folder);

    (void)state;
    free(folder);
    return status;
}

/* ---- the hash ---- */

/* The vectors of FIPS 180-2, and the empty message. */
static const struct {
    const char *text;
    size_t times;
    const char *hex;
} vectors[] = {
    {"", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {"abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    {"aaaaaaaaaa", 100000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"},
};

static int file_of(const char *text, size_t times)
{
    int fd = memfd_create("hash", MFD_CLOEXEC);

    assert_true(fd >= 0);
    for (size_t i = 0; i < times; i++)
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    return fd;
}

static void hashes_the_published_vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(vectors); i++) {
        int fd = file_of(vectors[i].text, vectors[i].times);
        char hex[65];
        off_t at = lseek(fd, 0, SEEK_CUR);

        assert_true(sha256_file(fd, hex, NULL, NULL));
        assert_string_equal(hex, vectors[i].hex);
        assert_int_equal(lseek(fd, 0, SEEK_CUR), at);
        close(fd);
    }
}

static bool stop_at_third(void *context)
{
    int *asked = context;

    return ++*asked == 3;
}

static void stops_hashing_when_told(void **state)
{
    int fd = file_of("0123456789abcdef", 65536), asked = 0;
    char hex[65];

    (void)state;
    assert_false(sha256_file(fd, hex, stop_at_third, &asked));
    assert_int_equal(errno, ECANCELED);
    assert_int_equal(asked, 3);
    close(fd);
    assert_false(sha256_file(fd, hex, NULL, NULL));
    assert_int_equal(errno, EBADF);
}

/* ---- reading and writing ---- */

static struct manifest full(void)
{
    struct manifest manifest;

    manifest_init(&manifest);
    manifest.server = mem_strdup("shared_postgres");
    manifest.server_version = mem_strdup("15.18");
    manifest.system_identifier = mem_strdup("7300000000000000001");
    manifest.database = mem_strdup("ä ö \"quoted\"\n=b");
    manifest.owner = mem_strdup("o");
    manifest.encoding = mem_strdup("UTF8");
    manifest.collate = mem_strdup("C.UTF-8");
    manifest.ctype = mem_strdup("C");
    manifest.locale_provider = mem_strdup("icu");
    manifest.locale = mem_strdup("de-AT");
    manifest.tool_version = mem_strdup("pg_dump (PostgreSQL) 15.18");
    manifest.file = mem_strdup("a-20260131T142233Z.dump");
    manifest.sha256 = mem_strdup(vectors[1].hex);
    manifest.started = mem_strdup("2026-01-31T14:22:33.000Z");
    manifest.ended = mem_strdup("2026-01-31T14:25:45.123Z");
    manifest.bytes = INT64_C(9007199254740993); /* more than a double holds */
    manifest.database_size = 0;
    manifest.table_count = 2;
    manifest.large_objects = 3;
    manifest.counted = true;
    manifest.count = 2;
    manifest.tables = mem_array(NULL, 2, sizeof(*manifest.tables));
    manifest.tables[0] = (struct manifest_table){mem_strdup("public"), mem_strdup("t\x01\n"), 42};
    manifest.tables[1] = (struct manifest_table){mem_strdup("Ä"), mem_strdup(""), -1};
    return manifest;
}

static void assert_same(const struct manifest *a, const struct manifest *b)
{
    const char *const one[] = {a->server,   a->server_version, a->system_identifier,
                               a->database, a->owner,          a->encoding,
                               a->collate,  a->ctype,          a->locale_provider,
                               a->locale,   a->tool_version,   a->file,
                               a->sha256,   a->started,        a->ended};
    const char *const other[] = {b->server,   b->server_version, b->system_identifier,
                                 b->database, b->owner,          b->encoding,
                                 b->collate,  b->ctype,          b->locale_provider,
                                 b->locale,   b->tool_version,   b->file,
                                 b->sha256,   b->started,        b->ended};

    for (size_t i = 0; i < COUNT(one); i++) {
        assert_int_equal(one[i] == NULL, other[i] == NULL);
        if (one[i])
            assert_string_equal(one[i], other[i]);
    }
    assert_int_equal(a->bytes, b->bytes);
    assert_int_equal(a->database_size, b->database_size);
    assert_int_equal(a->table_count, b->table_count);
    assert_int_equal(a->large_objects, b->large_objects);
    assert_int_equal(a->counted, b->counted);
    assert_int_equal(a->count, b->count);
    for (size_t i = 0; i < a->count; i++) {
        assert_string_equal(a->tables[i].schema, b->tables[i].schema);
        assert_string_equal(a->tables[i].name, b->tables[i].name);
        assert_int_equal(a->tables[i].rows, b->tables[i].rows);
    }
}

static void round_trip(struct manifest *manifest)
{
    char *path = mem_printf("%s/x.dump.json", folder), *partial = mem_printf("%s.partial", path);
    char *error = manifest_write(manifest, path);
    struct manifest again;
    struct stat found;

    assert_null(error);
    assert_int_equal(stat(path, &found), 0);
    assert_int_equal(found.st_mode & 07777, 0600);
    assert_int_not_equal(access(partial, F_OK), 0);
    assert_true(manifest_read(path, &again, &error));
    assert_same(manifest, &again);
    assert_int_equal(unlink(path), 0);
    manifest_free(&again);
    manifest_free(manifest);
    free(partial);
    free(path);
}

static void reads_what_it_has_written(void **state)
{
    struct manifest manifest = full();

    (void)state;
    round_trip(&manifest);
    manifest_init(&manifest);
    assert_int_equal(manifest.bytes, -1);
    round_trip(&manifest);
}

static void says_why_it_cannot_write(void **state)
{
    struct manifest manifest = full();
    char *path = mem_printf("%s/none/x.dump.json", folder), *error;

    (void)state;
    error = manifest_write(&manifest, path);
    assert_non_null(error);
    assert_non_null(strstr(error, path));
    assert_non_null(strstr(error, "No such file"));
    free(error);
    free(path);
    manifest_free(&manifest);
}

static void says_why_it_cannot_read(void **state)
{
    static const char *const texts[] = {
        "", "{", "[]", "3", "{\"a\": 1} x", "\xff", "{\"a\": 1e999}"};
    struct manifest manifest;
    char *path = mem_printf("%s/none", folder), *error;

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        assert_false(manifest_parse(texts[i], strlen(texts[i]), &manifest, &error));
        assert_non_null(error);
        assert_null(strchr(error, '\n'));
        assert_null(manifest.server);
        assert_int_equal(manifest.bytes, -1);
        free(error);
    }
    assert_false(manifest_read(path, &manifest, &error));
    assert_non_null(strstr(error, "No such file"));
    free(error);
    assert_false(manifest_read(folder, &manifest, &error));
    assert_non_null(strstr(error, "plain file"));
    free(error);
    free(path);
}

static void leaves_out_what_is_no_member(void **state)
{
    static const char text[] =
        "{\"server\": 3, \"database\": \"d\", \"owner\": null, \"bytes\": \"1\","
        "\"database_size\": -7, \"table_count\": 1.5, \"large_objects\": 2, \"counted\": 1,"
        "\"file\": \"../d.dump\", \"tables\": [3, {}, {\"schema\": \"s\"},"
        "{\"schema\": \"s\", \"name\": \"n\", \"rows\": -4}], \"more\": {}}";
    struct manifest manifest;
    char *error;

    (void)state;
    assert_true(manifest_parse(text, strlen(text), &manifest, &error));
    assert_null(manifest.server);
    assert_null(manifest.owner);
    assert_null(manifest.file);
    assert_string_equal(manifest.database, "d");
    assert_int_equal(manifest.bytes, -1);
    assert_int_equal(manifest.database_size, -1);
    assert_int_equal(manifest.table_count, -1);
    assert_int_equal(manifest.large_objects, 2);
    assert_false(manifest.counted);
    assert_int_equal(manifest.count, 1);
    assert_string_equal(manifest.tables[0].name, "n");
    assert_int_equal(manifest.tables[0].rows, -1);
    manifest_free(&manifest);
}

/* ---- names ---- */

static const struct {
    const char *database, *name;
} names[] = {
    {"aletheia_prod", "aletheia_prod"},
    {"A-b.c", "A-b.c"},
    {".hidden", "%2Ehidden"},
    {"-option", "%2Doption"},
    {"..", "%2E."},
    {"a/b", "a%2Fb"},
    {"a%b", "a%25b"},
    {"ä ö", "%C3%A4%20%C3%B6"},
    {"a=b\n\"'", "a%3Db%0A%22%27"},
    {"\x1b[31m\xff", "%1B%5B31m%FF"},
    {"a~b", "a%7Eb"},
};

static void names_files_that_any_shell_takes(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        char *name = manifest_file_name(names[i].database);

        assert_string_equal(name, names[i].name);
        free(name);
    }
}

/* 63 bytes are the longest name of a database: each may become three. */
static void cuts_long_names_without_making_them_one(void **state)
{
    char one[64], other[64], *a, *b;

    (void)state;
    for (size_t plain = 0; plain < 63; plain++) {
        memset(one, ' ', 63);
        memset(one, 'p', plain);
        one[63] = '\0';
        memcpy(other, one, sizeof(other));
        other[62] = '?';
        a = manifest_file_name(one);
        b = manifest_file_name(other);
        assert_string_not_equal(a, b);
        assert_true(strlen(a) <= 150 && strlen(b) <= 150);
        for (const char *c = strchr(a, '%'); c; c = strchr(c + 1, '%'))
            assert_memory_equal(c, "%20", 3);
        free(a);
        free(b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_the_published_vectors),
        cmocka_unit_test(stops_hashing_when_told),
        cmocka_unit_test(reads_what_it_has_written),
        cmocka_unit_test(says_why_it_cannot_write),
        cmocka_unit_test(says_why_it_cannot_read),
        cmocka_unit_test(leaves_out_what_is_no_member),
        cmocka_unit_test(names_files_that_any_shell_takes),
        cmocka_unit_test(cuts_long_names_without_making_them_one),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
